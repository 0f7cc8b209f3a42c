"""Box2Mask-T and BoxSeg-T as compositions, and parts that plug into them by words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.configuration.compose import compose
from tests.experiments.command_line import losses, trained
from tests.method_steps import NEEDS_MMDET

READINGS = ("boxseg-t", "boxseg-t-colors")
# What untrained queries propose is not confident.
LENIENT = ("segmenter.score_threshold=0", "pseudo_labels.fusion.score_threshold=0")


def model_of(*words: str) -> dict[str, Any]:
    return dict(compose(words).model)


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
def test_boxseg_t_is_box2mask_t_with_qam_and_pc_by_words(scale: str) -> None:
    words = ("step=teacher-student", "pseudo_labels=qam", "copy_paste=peer", "losses=boxseg-t")
    by_words = model_of("method=box2mask-t", *words, f"scale={scale}", "dataset=scenes")
    assert by_words == model_of("method=boxseg-t", f"scale={scale}", "dataset=scenes")


def test_losses_are_box2mask_t_s_at_paper_scale() -> None:
    words = ("scale=paper", "dataset=coco")
    single = model_of("method=box2mask-t", *words)
    terms = single["mask_losses"]
    assert terms["projection"]["weight"] == 5
    assert terms["level_set"]["guide_channels"] == 1
    assert terms["level_set"]["tree_size"] == [96, 96]
    assert terms["level_set"]["pad_value"] == single["pad_value"] == 128
    assert single["class_weight"] == 2
    student = model_of("method=boxseg-t", *words)["student"]
    pseudo = {"pseudo_dice", "pseudo_affinity"}
    assert {
        name: terms for name, terms in student["mask_losses"].items() if name not in pseudo
    } == (terms)
    assert pseudo < student["mask_losses"].keys()
    assert {**student, "mask_losses": terms} == single


def test_the_other_reading_of_boxseg_t_differs_in_its_box_loss_alone() -> None:
    ours, other = (model_of(f"method={name}", "scale=paper", "dataset=coco") for name in READINGS)
    first, second = ours.pop("student"), other.pop("student")
    assert ours == other
    assert second["mask_losses"].keys() == {"box", "pseudo_dice", "pseudo_affinity"}
    # One ratio of the class's weight and the projections' in both.
    assert first["class_weight"] / first["mask_losses"]["projection"]["weight"] == 0.4
    assert second["class_weight"] == 0.4
    assert {k for k in first if first[k] != second[k]} == {"mask_losses", "class_weight"}


@pytest.mark.parametrize("method", ["mask2former", "boxinst-t", "box2mask-t", *READINGS])
def test_fifty_epochs_on_large_scale_jitter_at_paper_scale(method: str) -> None:
    coco, voc = (
        compose([f"method={method}", "scale=paper", f"dataset={d}"]) for d in ("coco", "voc")
    )
    assert coco.solver.iterations == 368750
    assert coco.schedules["50e"].steps == [327778, 355092]
    # 50 epochs of VOC's 10,582 images, with the steps of as many epochs.
    assert voc.solver.iterations == 33065
    assert voc.schedules["50e"].steps == [29390, 31840]
    assert coco.mapper["jitter"]["side"] == 1024
    assert coco.solver.clip_norm == 0.01
    assert coco.solver.optimizer["learning_rate"] == 0.0001
    if method in READINGS:
        assert coco.mapper["_target_"].endswith("TeacherStudentMapper")
        assert coco.mapper["teacher_short_side"] == 800


@NEEDS_MMDET
def test_bpma_and_ordinary_copy_paste_on_box2mask_t(tmp_path: Path) -> None:
    words = ("method=box2mask-t", "pseudo_labels=bpma", "copy_paste=ordinary", "schedule=1x")
    assignment = "{_target_: baselines.box_assignment.GreedyAssignment, iou_threshold: 0.05}"
    lenient = ("segmenter.score_threshold=0", f"pseudo_labels.assignment={assignment}")
    lines = losses(trained(tmp_path / "run", *words, *lenient))
    assert sum(line["copy_paste_pastes"] for line in lines) > 0
    assert all(line["loss_levelset"] > 0 and line["loss_prj"] > 0 for line in lines)


@NEEDS_MMDET
@pytest.mark.parametrize("method", READINGS)
def test_both_readings_learn_from_pseudo_masks(method: str, tmp_path: Path) -> None:
    lines = losses(trained(tmp_path / "run", f"method={method}", "schedule=1x", *LENIENT))
    box = "loss_levelset" if method == "boxseg-t" else "loss_pairwise"
    assert all(line[box] > 0 for line in lines)
    assert lines[-1]["loss_mask"] > 0
    assert lines[-1]["pseudo_candidates"] > 2


@NEEDS_MMDET
def test_sim_on_queries_keeps_prototypes_of_their_mask_features(tmp_path: Path) -> None:
    words = ("method=sim", "segmenter=query", "segmenter.score_threshold=0")
    lines = losses(trained(tmp_path / "run", *words))
    assert lines[-1]["pseudo_valid_share"] > 0
    assert lines[-1]["copy_paste_bank_size"] > 0
