"""Masks as run-length encodings, and the parts that large ones are taken in."""

from __future__ import annotations

import pytest
import torch
from detectron2.structures import Instances
from pycocotools import mask as run_length

from boxseg.encoded_masks import EncodedMasks, mask_chunks

SOME = torch.rand(5, 7, 11, generator=torch.Generator().manual_seed(0)) > 0.6


def test_dense_masks_come_back() -> None:
    encoded = EncodedMasks.of(SOME)
    assert torch.equal(encoded.dense(), SOME)
    assert encoded.dense().is_contiguous()
    assert all(torch.equal(one, mask) for one, mask in zip(encoded, SOME, strict=True))
    # A view whose memory is in another order.
    assert torch.equal(EncodedMasks.of(SOME.transpose(1, 2)).dense(), SOME.transpose(1, 2))


def test_segmentations_are_those_of_coco() -> None:
    for found, mask in zip(EncodedMasks.of(SOME).segmentations(), SOME, strict=True):
        assert found["size"] == [7, 11]
        assert isinstance(found["counts"], str)
        assert (run_length.decode(found) == mask.numpy()).all()


@pytest.mark.parametrize(
    "chosen",
    [slice(1, 4), torch.tensor([3, 0, 3]), SOME[:, 0, 0], torch.zeros(5, dtype=torch.bool)],
    ids=["slice", "numbers", "booleans", "none"],
)
def test_they_are_a_field_of_instances(chosen: slice | torch.Tensor) -> None:
    instances = Instances((7, 11), pred_masks=EncodedMasks.of(SOME), place=torch.arange(5))
    found = instances.to("cpu")[chosen]
    assert torch.equal(found.pred_masks.dense(), SOME[found.place])
    twice = Instances.cat([found, instances])
    assert torch.equal(twice.pred_masks.dense(), SOME[twice.place])


def test_no_masks() -> None:
    none = EncodedMasks.of(torch.zeros(0, 7, 11, dtype=torch.bool))
    assert none.dense().shape == (0, 7, 11)
    assert len(none) == len(none.segmentations()) == len(list(none)) == 0


@pytest.mark.parametrize("masks", [SOME.float(), SOME[0]], ids=["probabilities", "one mask"])
def test_what_is_no_stack_of_masks_is_refused(masks: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="bool"):
        EncodedMasks.of(masks)


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(0, [0]), (1, [1]), (2, [2]), (3, [3]), (5, [2, 3]), (9, [3, 3, 3]), (10, [2, 3, 2, 3])],
)
def test_chunks_cover_everything_in_runs_of_two_or_more(count: int, lengths: list[int]) -> None:
    """Three masks of 100 pixels are what is allowed at once."""
    runs = mask_chunks(count, 100, 300)
    numbers = [range(count)[run] for run in runs]
    assert [len(run) for run in numbers] == lengths
    assert [number for run in numbers for number in run] == list(range(count))


def test_an_image_larger_than_what_is_allowed_at_once() -> None:
    assert [run.stop - run.start for run in mask_chunks(7, 10**9)] == [2, 2, 3]
