"""The architecture that tensors show."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from boxseg.backbones.resnet import resnet
from boxseg.errors import InputError
from boxseg.weights.architecture import BackboneArchitecture, SegmenterArchitecture
from tests.weights.published import tiny_segmenter


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
def test_backbones(depth: int, norm: str) -> None:
    state = resnet(depth, norm, stem_channels=16, first_stage_channels=32).state_dict()
    assert BackboneArchitecture.of(state) == BackboneArchitecture(depth, norm, 16, 32, (), 1)


@pytest.mark.parametrize(
    ("stages", "interval"), [((3, 4, 5), 1), ((3, 4, 5), 3), ((5,), 1), ((4,), 2), ((), 1)]
)
def test_deformable_backbones(stages: tuple[int, ...], interval: int) -> None:
    settings: dict[str, Any] = {"deformable_stages": stages, "deformable_interval": interval}
    state = resnet(101, stem_channels=8, first_stage_channels=32, **settings).state_dict()
    found = BackboneArchitecture.of(state)
    assert (found.deformable_stages, found.deformable_interval) == (stages, interval)


def test_a_segmenter() -> None:
    words = (
        "dataset.num_classes=7",
        "scale.segmenter.channels=64",
        "scale.segmenter.mask_channels=24",
        "scale.segmenter.mask_convs=3",
        "segmenter.detector.head.cls_convs=2",
        "segmenter.detector.head.box_convs=4",
        "segmenter.mask_branch.out_channels=12",
    )
    assert SegmenterArchitecture.of(tiny_segmenter(*words).state_dict()) == SegmenterArchitecture(
        backbone=BackboneArchitecture(18, "FrozenBN", 8, 8, (), 1),
        channels=64,
        num_classes=7,
        cls_convs=2,
        box_convs=4,
        mask_channels=24,
        mask_convs=3,
        mask_features=12,
        semantic=False,
    )


def test_one_tensor_more_or_less_is_the_same_architecture() -> None:
    # What differs is reported by name, so it must not be taken for another network.
    state = tiny_segmenter().state_dict()
    whole = SegmenterArchitecture.of(state)
    for name in state:
        less = {n: t for n, t in state.items() if n != name}
        try:
            assert SegmenterArchitecture.of(less) == whole
        except KeyError as missing:
            assert missing.args == (name,)
    for extra in (
        "backbone.bottom_up.res3.0.conv2.offset.weight",
        "backbone.bottom_up.res5.2.conv1.weight",
        "backbone.bottom_up.res2.0.conv3.weight",
        "detector.head.cls_tower.3.weight",
        "mask_branch.tower.1.0.weight",
        "semantic_head.logits.weight",
        "backbone.bottom_up.stem.conv1.norm.num_batches_tracked",
    ):
        assert extra not in state
        assert SegmenterArchitecture.of({**state, extra: torch.zeros(2)}) == whole


def test_another_depth() -> None:
    state = resnet(50, stem_channels=8, first_stage_channels=32).state_dict()
    fewer = {name: t for name, t in state.items() if not name.startswith("res4.5.")}
    with pytest.raises(InputError, match=r"a backbone of 3, 4, 5, 3 bottleneck blocks is none of"):
        BackboneArchitecture.of(fewer)
