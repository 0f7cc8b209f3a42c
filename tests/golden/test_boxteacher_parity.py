"""Parity with the released BoxTeacher: assignment, scores, moving average, pseudo masks, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.structures import Boxes
from torch import nn

from baselines.box_assignment import GreedyAssignment
from baselines.boxteacher import mask_aware_confidence
from baselines.boxteacher_released import ReleasedAssignment
from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_masks import box_profiles
from boxseg.box_supervision import BoxSupervision, supervised_area
from boxseg.condinst import CondInst
from boxseg.condinst.centers import box_centers
from boxseg.copy_paste import TrainingSample
from boxseg.ema import ema_momentum, update_ema_parameters
from boxseg.mask_losses import MaskLoss
from boxseg.mask_rescoring import mask_aware_scores
from boxseg.pixel_pairs import pair_views
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.pseudo_mask_losses import PseudoMaskAffinity, PseudoMaskDice, agreeing_pairs
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from tests.golden.comparison import SOFT_MAP, assert_gradients, assert_losses
from tests.golden.composition import Recorder, around, assert_labelled, batch_of, configuration
from tests.golden.files import Golden, each, each_case, each_piece, files, needs
from tests.golden.models import build
from tests.golden.released_options import DividedByQuality, PseudoMaskProfiles

FILES = files("case3_boxteacher")
STRIDE = 4
DILATION = 2

pytestmark = needs(FILES, files("case2_boxinst"))


# The pieces.


@pytest.mark.parametrize(("file", "scenario"), each_piece(FILES, "bpma_", "_thr"))
def test_assignment(file: Path, scenario: str) -> None:
    golden = Golden.load(file)
    given = {
        name: golden.tensor(f"bpma_{scenario}_{name}")
        for name in ("pred_boxes", "pred_scores", "pred_mask_score", "gt_boxes", "thr")
    }
    assign = ReleasedAssignment(*given["thr"].tolist())
    (assigned,) = assign(
        given["pred_boxes"][None], given["pred_scores"][None], given["gt_boxes"][None]
    )
    expected = golden.arrays[f"bpma_{scenario}_assigned_pred_per_gt"]
    np.testing.assert_array_equal(assigned, expected)
    confidence = torch.cat((given["pred_mask_score"], torch.zeros(1)))[assigned]
    np.testing.assert_array_equal(confidence, golden.arrays[f"bpma_{scenario}_flags"])


@pytest.mark.parametrize("file", each(FILES))
def test_assignment_without_the_slip(file: Path) -> None:
    # In the released code prediction 1 replaces prediction 0, which has the better score.
    golden = Golden.load(file)
    boxes, scores, objects = (
        golden.tensor(f"bpma_index0_quirk_{name}")[None]
        for name in ("pred_boxes", "pred_scores", "gt_boxes")
    )
    assert GreedyAssignment()(boxes, scores, objects).tolist() == [[0, 2]]


@pytest.mark.parametrize(("file", "threshold"), each_piece(FILES, "mcs_thr", "_mask_score"))
def test_mask_aware_scores(file: Path, threshold: str) -> None:
    golden = Golden.load(file)
    prefix = f"mcs_thr{threshold}_"
    kept = golden.tensor(prefix + "kept_index").long()
    height, width, _, _, *output = golden.arrays["mcs_sizes"].tolist()
    fine = aligned_upsample(golden.tensor("mcs_in_global_masks")[kept][:, None], STRIDE)
    masks = F.interpolate(fine[..., :height, :width], output, mode="bilinear")[:, 0]
    scores = golden.tensor("mcs_in_scores")[kept]
    for ours, name in ((mask_aware_confidence, "mask_score"), (mask_aware_scores, "scores")):
        expected = golden.arrays[prefix + name]
        np.testing.assert_allclose(ours(scores, masks, float(threshold)), expected, atol=2e-6)


@pytest.mark.parametrize("file", each(FILES))
def test_moving_average(file: Path) -> None:
    arrays = Golden.load(file).arrays
    for iteration, momentum, after in zip(
        arrays["ema_iter"].tolist(),
        arrays["ema_momentum"].tolist(),
        arrays["ema_teacher_after"].tolist(),
        strict=True,
    ):
        assert ema_momentum(iteration) == pytest.approx(momentum, rel=1e-6)
        teacher, student = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
        nn.init.constant_(teacher.weight, 1.0)
        nn.init.constant_(student.weight, 2.0)
        teacher.running_mean = torch.tensor([1.0])
        student.running_mean = torch.tensor([5.0])
        update_ema_parameters(teacher, student, ema_momentum(iteration))
        assert [teacher.weight.item(), teacher.running_mean.item()] == pytest.approx(after, 1e-6)


# The teacher's predictions, pseudo masks, and the student's losses on them.


def composed(golden: Golden, case: str) -> TeacherStudent:
    """`experiments/conf/method/boxteacher-released.yaml` with a case's settings."""
    overrides, _ = golden.case(case)
    settings = golden.section("BOX_TEACHER", overrides)
    config = configuration(
        golden,
        "boxteacher-released",
        f"pseudo_labels.assignment.iou_threshold={settings['IOU_THR']}",
        f"pseudo_labels.assignment.score_threshold={settings['SCORE_THR']}",
        f"pseudo_labels.mask_threshold={settings['TEACHER_MASK_THRESHOLD']}",
        f"model.teacher_in_training_mode={not settings['TEACHER_EVAL']}",
    )
    return around(student(golden, overrides), config)


def student(golden: Golden, overrides: dict[str, Any]) -> CondInst:
    settings = golden.section("BOX_TEACHER", overrides)
    removed = golden.section("BOXINST", overrides)["BOTTOM_PIXELS_REMOVED"]
    warmup = settings["WARMUP_ITERS"]
    terms: list[MaskLoss] = [
        PseudoMaskDice(settings["MASK_WEIGHT"], warmup),
        PseudoMaskAffinity(settings["MASK_AFFINITY_WEIGHT"], warmup, removed),
    ]
    # The sidecar prints these two of its last case; the others leave both out.
    if overrides.get("MODEL__BOX_TEACHER__WITH_AVG_LOSS", False):
        terms.append(PseudoMaskProfiles(settings["AVG_LOSS_WEIGHT"], warmup))
    model = build(golden, overrides, [BoxSupervision(bottom_rows_removed=removed), *terms])
    if not overrides.get("MODEL__BOX_TEACHER__FIX_REDUCTION", True):
        model.mask_losses.update({type(t).__name__: DividedByQuality(t) for t in terms})
    model.detector.object_centers = box_centers
    return model


def cases_of(injected: bool) -> list[Any]:
    """Those in which the pseudo masks are given, or those in which the teacher makes them."""
    return [p for p in each_case(FILES) if p.values[1].startswith("inject") == injected]


@pytest.mark.parametrize(("file", "case"), cases_of(injected=False))
def test_step(file: Path, case: str) -> None:
    golden = Golden.load(file)
    model = composed(golden, case)
    model.copy_paste = recorder = Recorder(None)
    batch = batch_of(golden, "selfgt" if case.startswith("selfgt") else "in")
    with torch.no_grad():
        assert_same_detections(golden, case, model.teacher_frame(model.teacher, batch))
    losses = model(batch, golden.case(case)[1] + 1).losses
    for index, sample in enumerate(recorder.given):
        assert_labelled(golden, f"{case}_pseudo{index}_", "flags", sample)
    assert_losses(golden, case, losses)
    assert_gradients(golden, case, losses, model.student, "student.")


def assert_same_detections(
    golden: Golden, case: str, proposed: tuple[TeacherPredictions, list[View]]
) -> None:
    ours, _ = proposed
    for index, survivors in enumerate(ours.suppressed()):
        prefix = f"{case}_T{index}_"
        wanted = {name: golden.arrays[prefix + name] for name in golden.pieces(prefix, "")}
        if not wanted:
            continue
        kept, size = survivors[: len(wanted["scores"])], ours.image_sizes[index]
        boxes = Boxes(ours.boxes[kept])
        boxes.clip(size)
        scores = ours.scores[kept]
        counts = [len(kept) if image == index else 0 for image in range(len(ours.counts))]
        masks = ours.masks_of(kept, counts)
        np.testing.assert_array_equal(ours.classes[kept], wanted["pred_classes"])
        np.testing.assert_allclose(boxes.tensor, wanted["pred_boxes"], atol=0.01)
        # A pixel on the other side of one half moves the mean of n by 0.5 / n at most.
        doubtful = ((masks - 0.5).abs() <= SOFT_MAP).sum(dim=(1, 2))
        tolerance = 2e-4 + doubtful / (masks > 0.5).sum(dim=(1, 2)).clamp(min=1)
        for found, name in (
            (mask_aware_scores(scores, masks), "scores"),
            (mask_aware_confidence(scores, masks), "mask_score"),
        ):
            assert ((found - torch.from_numpy(wanted[name])).abs() <= tolerance).all()
        theirs = golden.bits(f"{prefix}masks_packed", size[1])
        ours_inside = masks[: len(theirs), : size[0], : size[1]] > 0.5
        assert (ours_inside != theirs).float().mean() <= 1e-3


# The student's losses on pseudo masks that are given.


def inject(golden: Golden, inputs: list[dict[str, Any]]) -> None:
    for index, x in enumerate(inputs):
        masks = golden.bits(f"inject{index}_masks_packed", x["image"].shape[2])
        quality = golden.tensor(f"inject{index}_flags")
        x["sample"] = TrainingSample(
            image=x["image"],
            boxes=x["instances"].gt_boxes.tensor,
            classes=x["instances"].gt_classes,
            masks=masks,
            quality=quality,
            scores=quality,
            valid=quality > 0,
            pasted=torch.zeros_like(quality, dtype=torch.bool),
        )


@pytest.mark.parametrize(("file", "case"), cases_of(injected=True))
def test_losses_on_given_masks(file: Path, case: str) -> None:
    golden = Golden.load(file)
    overrides, counter = golden.case(case)
    model = student(golden, overrides)
    inputs = golden.inputs()
    inject(golden, inputs)
    losses = model.train()(inputs, counter + 1).losses
    assert_losses(golden, case, losses)
    assert_gradients(golden, case, losses, model, "student.")


@pytest.mark.parametrize("file", each(FILES))
def test_related_pairs(file: Path) -> None:
    golden = Golden.load(file)
    removed = golden.section("BOXINST", {})["BOTTOM_PIXELS_REMOVED"]
    threshold = golden.section("BOX_TEACHER", {})["MASK_AFFINITY_THRESH"]
    order = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    inputs = golden.inputs()
    inject(golden, inputs)
    for index, x in enumerate(inputs):
        affinity = golden.tensor(f"inject_mask_affinity{index}")
        height, width = affinity.shape[-2:]
        objects = x["instances"]
        rows, columns = box_profiles(objects.gt_boxes.tensor, STRIDE, height, width)
        masks = torch.zeros(len(objects), height, width, dtype=torch.bool)
        stored = x["sample"].masks[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        masks[:, : stored.shape[1], : stored.shape[2]] = stored
        masks &= rows[:, :, None] & columns[:, None]
        size = tuple(x["image"].shape[1:])
        area = supervised_area(
            [size], [x["height"]], removed, STRIDE, height, width, affinity.device
        )
        related = agreeing_pairs(masks, DILATION)
        for direction, ours in zip(((0, 1), (1, -1), (1, 0), (1, 1)), related, strict=True):
            back = (-direction[0], -direction[1])
            area1, area2 = pair_views(area, direction, DILATION)
            ahead = affinity[:, order.index(direction)] >= threshold
            behind = affinity[:, order.index(back)] >= threshold
            assert torch.equal(ours & area2, pair_views(ahead, direction, DILATION)[0])
            assert torch.equal(ours & area1, pair_views(behind, direction, DILATION)[1])
