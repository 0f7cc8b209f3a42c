"""An evaluation's scores as lines for a terminal."""

from __future__ import annotations

from boxseg.engine.class_scores import ClassScores
from experiments.reporting.scores_text import (
    classes_text,
    rescorings_text,
    scores_text,
    splits_text,
    voc_text,
)


def test_scores() -> None:
    metrics = {"segm/AP": 12.34, "segm/APs": None, "bbox/AP": 100.0, "bbox/APs": 0.0}
    areas = {"small": (0, 64.0), "medium": (64.0, 576.0), "large": (576.0, 1e10)}
    assert scores_text(metrics, areas) == (
        "           AP    APs\n"
        "mask     12.3      -\n"
        "box     100.0    0.0\n"
        "small: below 64 square pixels, large: above 576\n"
    )


def test_scores_by_other_masks_and_on_other_splits_have_their_own_lines() -> None:
    areas = {"small": (0, 64.0), "medium": (64.0, 576.0), "large": (576.0, 1e10)}
    metrics = {"segm/AP": 1.0, "segm/AP@dark": 2.0, "bbox/AP@dark": None, "pseudo/IoU": 3.0}
    assert scores_text(metrics, areas) == (
        "           AP\n"
        "mask      1.0\n"
        "small: below 64 square pixels, large: above 576\n"
        "by the true masks, in per cent: pseudo IoU 3.0\n"
        "on dark: mask AP 2.0, box AP -\n"
    )


def test_categories() -> None:
    classes = (
        ClassScores("disc", 12, {"segm/AP": 50.0, "bbox/AP": 60.0}),
        ClassScores("teddy bear", 0, {"segm/AP": None, "bbox/AP": None}),
    )
    assert classes_text(classes) == (
        "category    objects  mask AP  box AP\n"
        "disc             12     50.0    60.0\n"
        "teddy bear        0        -       -\n"
    )


def test_voc() -> None:
    text = voc_text({"segm/AP50": 55.55, "bbox/AP50": None})
    assert text == "VOC (area under the whole curve): mask AP50 55.5, box AP50 -\n"


def test_rescorings() -> None:
    runs = {
        "runs/a": {"none": 45.121, "mask-aware": 45.6},
        "b": {"none": 3.0, "mask-aware": 2.5},
        "c": {"none": None, "mask-aware": 1.0},
    }
    assert rescorings_text(runs) == (
        "mask AP   none  mask-aware  difference\n"
        "runs/a   45.12       45.60       +0.48\n"
        "b         3.00        2.50       -0.50\n"
        "c            -        1.00           -\n"
    )


def test_splits() -> None:
    splits = {
        "val": {"segm/AP": 30.0, "segm/AP50": 60.0, "boundary/AP": 10.0, "boundary/AP50": 20.0},
        "overlap": {"segm/AP": 3.0, "segm/AP50": 6.0, "boundary/AP": None, "boundary/AP50": None},
    }
    assert splits_text(splits) == (
        "mask        AP   AP50\n"
        "val       30.0   60.0\n"
        "overlap    3.0    6.0\n"
        "\n"
        "outline     AP   AP50\n"
        "val       10.0   20.0\n"
        "overlap      -      -\n"
    )
