"""The released codes' variants as compositions: each trains, and its parts do their work."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.errors import InputError
from boxseg.teacher_student import TeacherStudent
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from tests.experiments.command_line import losses, result, trained

# What an untrained detector finds is not confident.
LENIENT = ("images.iterations_1x=8", "segmenter.detector.score_threshold=0.001")


def model_of(*words: str) -> TeacherStudent:
    model = build(compose(["scale=smoke", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model


@pytest.mark.slow
def test_boxseg_released(tmp_path: Path) -> None:
    thresholds = [
        f"pseudo_labels.candidate_filter.{name}={value}"
        for name, value in (("min_iou", 0.05), ("min_score", 0))
    ]
    run = trained(tmp_path / "run", "method=boxseg-released", *LENIENT, *thresholds)
    assert result(run)["method"] == "boxseg-released"
    lines = losses(run)
    assert lines[-1]["pseudo_valid_share"] > 0
    assert lines[-1]["loss_mask"] > 0
    assert "copy_paste_bank_size" in lines[-1]


@pytest.mark.slow
def test_boxteacher_released(tmp_path: Path) -> None:
    threshold = "pseudo_labels.assignment.iou_threshold=0.05"
    run = trained(tmp_path / "run", "method=boxteacher-released", *LENIENT, threshold)
    assert result(run)["method"] == "boxteacher-released"
    lines = losses(run)
    assert lines[-1]["pseudo_valid_share"] > 0
    assert lines[-1]["loss_mask"] > 0


def test_the_released_copy_paste_pastes(tmp_path: Path) -> None:
    words = ("method=boxseg", "pseudo_labels=oracle", "copy_paste=released", "copy_paste.skipped=0")
    lines = losses(trained(tmp_path / "run", *words, "copy_paste.min_visible_area=0"))
    assert lines[0]["copy_paste_bank_size"] > 0
    assert sum(line["copy_paste_pastes"] for line in lines) > 0


def test_what_the_released_boxseg_is_made_of() -> None:
    model = model_of("method=boxseg-released")
    names = {
        "count": model.pseudo_labeller.candidate_count,
        "filter": model.pseudo_labeller.candidate_filter,
        "fusion": model.pseudo_labeller.fusion,
        "scoring": model.pseudo_labeller.scoring,
        "copy-paste": model.copy_paste,
        "frame": model.teacher_frame,
        "classification": model.student.detector.classification,
    }
    assert {part: type(value).__name__ for part, value in names.items()} == {
        "count": "FixedTopK",
        "filter": "ConfidentSameClass",
        "fusion": "MajorityVote",
        "scoring": "VoteAgreement",
        "copy-paste": "ReleasedCopyPaste",
        "frame": "StudentFrame",
        "classification": "ReleasedIoUAware",
    }
    assert model.pseudo_labeller.candidate_count.k == 20
    assert model.teacher_in_training_mode
    assert model.teach_empty_masks
    assert model.compare_unpasted_colors
    assert model.moving_average.__name__ == "update_ema_parameters"


def test_what_the_released_boxteacher_is_made_of() -> None:
    model = model_of("method=boxteacher-released")
    assert type(model.pseudo_labeller.assignment).__name__ == "ReleasedAssignment"
    assert model.pseudo_labeller.empty_masks
    assert model.copy_paste is None
    assert model.student.rescore is not None
    assert model.teacher_in_training_mode
    assert model.moving_average.__name__ == "update_ema_parameters"


def test_lengths_scale_with_the_image() -> None:
    # A smoke image's pixel is 0.12 of the papers', and 4 of 90,000 iterations are 1x.
    copy_paste = compose(["scale=smoke", "method=boxseg-released"]).model["copy_paste"]
    assert copy_paste["max_moved"] == pytest.approx(1.2)
    assert copy_paste["min_area"] == copy_paste["min_visible_area"] == pytest.approx(4.32)
    assert copy_paste["warmup_iterations"] == 1
    paper = compose(["scale=paper", "method=boxseg-released", "dataset=coco"]).model
    assert (paper["copy_paste"]["max_moved"], paper["copy_paste"]["min_area"]) == (10, 300)
    assert paper["teacher_frame"] | {"_target_": None} == {
        "_target_": None,
        "short_side": 800,
        "max_side": 1333,
    }


@pytest.mark.parametrize(
    "words",
    [
        ("method=boxseg", "pseudo_labels=qam-released"),
        ("method=boxseg", "copy_paste=released"),
        ("method=boxteacher", "pseudo_labels=bpma-released", "copy_paste=released"),
        ("method=boxseg-released", "pseudo_labels=qam", "copy_paste=peer"),
        ("method=boxteacher-released", "pseudo_labels=bpma", "copy_paste=ordinary"),
    ],
)
def test_its_parts_go_with_any_method_that_has_a_teacher(words: tuple[str, ...]) -> None:
    assert model_of(*words).training


def test_a_wrong_kind_of_paste_is_refused() -> None:
    with pytest.raises(InputError, match="kind is 'box'"):
        model_of("method=boxseg-released", "copy_paste.kind=box")
