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
    assert DistinctBoxes()(boxes, scores).tolist() == [1, 2, 3]
    assert EveryPrediction()(boxes, scores).tolist() == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_against_a_plain_loop(predictions: list[tuple[int, int]]) -> None:
    boxes = torch.tensor([[0.0, 0, 1 + side, 9] for side, _ in predictions]).reshape(-1, 4)
    scores = torch.tensor([score / 4 for _, score in predictions])
    best: dict[int, int] = {}
    for index, (side, score) in enumerate(predictions):
        if side not in best or score > predictions[best[side]][1]:
            best[side] = index
    assert DistinctBoxes()(boxes, scores).tolist() == sorted(best.values())


@pytest.mark.parametrize("candidates", [DistinctBoxes(), EveryPrediction()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types_strides_and_nothing(candidates: CandidateBoxes, dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8, 1], [1.0, 0, 8, 4, 1]], dtype=dtype)[:, :4]
    chosen = candidates(boxes, torch.tensor([0.5, 0.25], dtype=dtype))
    assert chosen.dtype == torch.int64
    assert chosen.tolist() == [0, 1]
    assert candidates(boxes[:0], boxes[:0, 0]).shape == (0,)
