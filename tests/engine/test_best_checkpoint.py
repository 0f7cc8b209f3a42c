"""Which model is kept while training, and what is known of it when the training goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from boxseg.engine.best_checkpoint import (
    BestCheckpoint,
    Scores,
    scores_of_checkpoint,
    scores_sentence,
)
from boxseg.engine.checkpoint import CheckpointWriter, checkpoint_content, read_checkpoint


def found(segm: float | None, bbox: float | None, images: int = 50) -> Scores:
    return {"images": images, "segm/AP": segm, "bbox/AP": bbox}


def content(iteration: int, scores: Scores) -> memoryview | None:
    return checkpoint_content(nn.Linear(1, 1), iteration, "abc", 1.0, scores=scores)


def kept(file: Path, *offered: Scores, before: Scores | None = None) -> list[bool]:
    with CheckpointWriter(file) as writer:
        best = BestCheckpoint(writer, content, before)
        return [best.offer(step, scores) for step, scores in enumerate(offered, start=1)]


def test_the_best_by_mask_ap_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "best.pt"
    offered = (found(3.0, 9.0), found(5.0, 1.0), found(5.0, 7.0), found(4.0, 8.0))
    assert kept(file, *offered) == [True, True, False, False]
    assert read_checkpoint(file)["iteration"] == 2
    assert scores_of_checkpoint(file, "abc", 50) == offered[1]


def test_boxes_decide_where_there_are_no_masks(tmp_path: Path) -> None:
    offered = (found(None, 2.0), found(None, 1.0), found(None, 3.0), found(None, None))
    assert kept(tmp_path / "best.pt", *offered) == [True, False, True, False]


def test_a_training_that_goes_on_knows_what_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "best.pt"
    kept(file, found(5.0, 1.0))
    before = scores_of_checkpoint(file, "abc", 50)
    assert kept(file, found(4.0, 9.0), found(5.0, 9.0), before=before) == [False, False]
    assert read_checkpoint(file)["scores"] == found(5.0, 1.0)
    assert kept(file, found(5.5, 0.0), before=before) == [True]


def test_scores_that_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "best.pt"
    assert scores_of_checkpoint(file, "abc", 50) is None  # there is none
    kept(file, found(5.0, 1.0))
    assert scores_of_checkpoint(file, "another", 50) is None
    assert scores_of_checkpoint(file, "abc", 100) is None
    torch.save({}, file)
    assert scores_of_checkpoint(file, "abc", 50) is None


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (found(31.24, 40.0), "mask AP 31.2, box AP 40.0 on 50 images"),
        (found(None, 0.0, 7), "box AP 0.0 on 7 images"),
        (found(None, None), "no AP on 50 images"),
    ],
)
def test_scores_in_a_few_words(scores: Scores, text: str) -> None:
    assert scores_sentence(scores) == text
