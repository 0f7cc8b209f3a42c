"""Which predictions are candidate boxes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.quality_aware import CandidateBoxes, DistinctBoxes, EveryPrediction


def test_the_likeliest_of_equal_boxes() -> None:
    a, b, c = [0.0, 0, 8, 8], [0.0, 0, 8, 4], [2.0, 0, 8, 8]
    boxes = torch.tensor([a, b, a, c, a, b])
    scores = torch.tensor([0.2, 0.7, 0.9, 0.1, 0.9, 0.4])
    # Of a the third and fifth are equally likely: the third; of b the second; of c the only one.
    one_image = torch.zeros(6, dtype=torch.long)
    chosen = DistinctBoxes()(boxes, scores, one_image)
    assert chosen.tolist() == [False, True, True, True, False, False]
    assert EveryPrediction()(boxes, scores, one_image).all()
    # Boxes of several images are never the same: of the second image the fourth, fifth and sixth.
    chosen = DistinctBoxes()(boxes, scores, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert chosen.tolist() == [False, True, True, True, True, True]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-2, 2), st.integers(0, 4)), max_size=20))
def test_against_a_plain_loop(predictions: list[tuple[int, int, int]]) -> None:
    predictions.sort(key=lambda prediction: prediction[0])
    boxes = torch.tensor([[side * 0.5, 0, 9, 9] for _, side, _ in predictions]).reshape(-1, 4)
    scores = torch.tensor([score / 4 for _, _, score in predictions])
    images = torch.tensor([image for image, _, _ in predictions], dtype=torch.long)
    best: dict[tuple[int, int], int] = {}
    for index, (image, side, score) in enumerate(predictions):
        if (image, side) not in best or score > predictions[best[image, side]][2]:
            best[image, side] = index
    chosen = DistinctBoxes()(boxes, scores, images)
    assert chosen.nonzero()[:, 0].tolist() == sorted(best.values())


def test_the_two_zeros_are_one() -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8], [-0.0, 0, 8, 8]])
    images = torch.zeros(2, dtype=torch.long)
    assert DistinctBoxes()(boxes, torch.tensor([0.2, 0.3]), images).tolist() == [False, True]


@pytest.mark.parametrize("candidates", [DistinctBoxes(), EveryPrediction()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types_strides_and_nothing(candidates: CandidateBoxes, dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8, 1], [1.0, 0, 8, 4, 1]], dtype=dtype)[:, :4]
    images = torch.zeros(2, dtype=torch.long)
    chosen = candidates(boxes, torch.tensor([0.5, 0.25], dtype=dtype), images)
    assert chosen.dtype == torch.bool
    assert chosen.tolist() == [True, True]
    assert candidates(boxes[:0], boxes[:0, 0], images[:0]).shape == (0,)
