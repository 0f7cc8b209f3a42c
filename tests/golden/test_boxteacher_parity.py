"""Parity with the released BoxTeacher: assignment, scores, moving average, pseudo masks, losses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from baselines.box_assignment import GreedyAssignment
from baselines.boxteacher import (
    BoxPseudoMaskAssignment,
    mask_aware_confidence,
    mask_aware_scores,
)
from baselines.boxteacher_released import (
    DividedByQuality,
    PseudoMaskProfiles,
    ReleasedAssignment,
)
from boxseg.box_supervision import BoxSupervision
from boxseg.condinst import CondInst
from boxseg.condinst.aligned_upsample import aligned_upsample
from boxseg.condinst.centers import box_centers
from boxseg.condinst.mask_losses import MaskLoss
from boxseg.condinst.model import Features
from boxseg.ema import ema_momentum, update_ema_parameters
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.pseudo_mask_losses import PseudoMaskAffinity, PseudoMaskDice
from tests.golden.models import Golden, build
from tests.golden.weights import published_name

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BOXSEG_GOLDEN", ROOT.parent / "shared" / "golden" / "dev"))
FILES = sorted(FOLDER.glob("case3_boxteacher*.npz"))
COMPLETE = sorted(FOLDER.glob("case2_boxinst*.npz"))
STRIDE = 4

pytestmark = pytest.mark.skipif(
    not (FILES and COMPLETE), reason=f"no golden files in {FOLDER}; set BOXSEG_GOLDEN"
)


def load(file: Path) -> Golden:
    """A file, with the sections that only case 2's sidecar prints; all cases share them."""
    golden = Golden.load(file)
    golden.meta["config"] = Golden.load(COMPLETE[0]).meta["config"] | golden.meta["config"]
    return golden


def unpacked(bits: np.ndarray, width: int) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits, axis=-1)[..., :width].astype(bool))


def pieces(prefix: str, suffix: str) -> list[Any]:
    """The names that a file's arrays have between a prefix and a suffix."""
    return [
        pytest.param(file, key.removeprefix(prefix).removesuffix(suffix))
        for file in FILES
        for key in Golden.load(file).arrays.files
        if key.startswith(prefix) and key.endswith(suffix)
    ]


CASES = [
    pytest.param(file, name, id=f"{file.stem}-{name}")
    for file in FILES
    for name in Golden.load(file).meta["cases"]
]


# The pieces.


@pytest.mark.parametrize(("file", "scenario"), pieces("bpma_", "_thr"))
def test_assignment(file: Path, scenario: str) -> None:
    arrays = Golden.load(file).arrays
    given = {
        name: torch.from_numpy(arrays[f"bpma_{scenario}_{name}"])
        for name in ("pred_boxes", "pred_scores", "pred_mask_score", "gt_boxes", "thr")
    }
    assign = ReleasedAssignment(*given["thr"].tolist())
    assigned = assign(given["pred_boxes"], given["pred_scores"], given["gt_boxes"])
    np.testing.assert_array_equal(assigned, arrays[f"bpma_{scenario}_assigned_pred_per_gt"])
    confidence = torch.cat((given["pred_mask_score"], torch.zeros(1)))[assigned]
    np.testing.assert_array_equal(confidence, arrays[f"bpma_{scenario}_flags"])


def test_assignment_without_the_slip() -> None:
    # In the released code prediction 1 replaces prediction 0, which has the better score.
    for file in FILES:
        arrays = Golden.load(file).arrays
        boxes, scores, objects = (
            torch.from_numpy(arrays[f"bpma_index0_quirk_{name}"])
            for name in ("pred_boxes", "pred_scores", "gt_boxes")
        )
        assert GreedyAssignment()(boxes, scores, objects).tolist() == [0, 2]


@pytest.mark.parametrize(("file", "threshold"), pieces("mcs_thr", "_mask_score"))
def test_mask_aware_scores(file: Path, threshold: str) -> None:
    arrays = Golden.load(file).arrays
    prefix = f"mcs_thr{threshold}_"
    kept = arrays[prefix + "kept_index"]
    height, width, _, _, *output = arrays["mcs_sizes"].tolist()
    fine = aligned_upsample(torch.from_numpy(arrays["mcs_in_global_masks"][kept])[:, None], STRIDE)
    masks = F.interpolate(fine[..., :height, :width], output, mode="bilinear")[:, 0]
    scores = torch.from_numpy(arrays["mcs_in_scores"][kept])
    for ours, name in ((mask_aware_confidence, "mask_score"), (mask_aware_scores, "scores")):
        expected = arrays[prefix + name]
        np.testing.assert_allclose(ours(scores, masks, float(threshold)), expected, atol=2e-6)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
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


# The teacher's predictions.


@torch.no_grad()
def teacher_predictions(golden: Golden, model: CondInst) -> list[TeacherPredictions]:
    """What the teacher predicts on the file's images, resized, in the frame of the given ones."""
    edges = [golden.meta["config"][f"INPUT.{name}_SIZE_TEST"] for name in ("MIN", "MAX")]
    images = [x["image"][None].float() for x in golden.inputs(False)]
    sizes = [ResizeShortestEdge.get_output_shape(*image.shape[2:], *edges) for image in images]
    resized = [
        {"image": F.interpolate(image, size, mode="bilinear")[0]}
        for image, size in zip(images, sizes, strict=True)
    ]
    features = model.features(model.batched_images(resized)[1].tensor)
    return [
        predictions_of_image(model, features, index, size, tuple(image.shape[2:]))
        for index, (size, image) in enumerate(zip(sizes, images, strict=True))
    ]


def predictions_of_image(
    model: CondInst, features: Features, index: int, size: tuple[int, int], frame: tuple[int, int]
) -> TeacherPredictions:
    candidates = model.detector.candidates(features.outputs, index)

    def masks_of(indices: Tensor) -> Tensor:
        chosen = candidates[indices]
        logits = model.masks_at(features, chosen, torch.full_like(chosen.cells, index))
        fine = aligned_upsample(logits.sigmoid()[:, None], STRIDE)[..., : size[0], : size[1]]
        return F.interpolate(fine, frame, mode="bilinear")[:, 0]

    return TeacherPredictions(
        boxes=candidates.boxes * torch.tensor([frame[1] / size[1], frame[0] / size[0]]).repeat(2),
        scores=candidates.scores,
        classes=candidates.classes,
        image_size=frame,
        original_scale=1.0,
        mask_stride=1,
        masks_of=masks_of,
        suppressed=lambda: model.detector.surviving(candidates),
    )


def assert_same_detections(golden: Golden, case: str, predicted: list[TeacherPredictions]) -> None:
    for index, ours in enumerate(predicted):
        prefix = f"{case}_T{index}_"
        wanted = {
            key.removeprefix(prefix): golden.arrays[key]
            for key in golden.arrays.files
            if key.startswith(prefix)
        }
        if not wanted:
            continue
        kept = ours.suppressed()[: len(wanted["scores"])]
        boxes = Boxes(ours.boxes[kept])
        boxes.clip(ours.image_size)
        scores, masks = ours.scores[kept], ours.masks_of(kept)
        np.testing.assert_array_equal(ours.classes[kept], wanted["pred_classes"])
        np.testing.assert_allclose(boxes.tensor, wanted["pred_boxes"], atol=0.01)
        np.testing.assert_allclose(mask_aware_scores(scores, masks), wanted["scores"], atol=2e-4)
        np.testing.assert_allclose(
            mask_aware_confidence(scores, masks), wanted["mask_score"], atol=2e-4
        )
        theirs = unpacked(wanted["masks_packed"], ours.image_size[1])
        assert ((masks[: len(theirs)] > 0.5) != theirs).float().mean() <= 1e-3


# Pseudo masks and the student's losses on them.


def with_objects(golden: Golden, case: str) -> list[dict[str, Any]]:
    """The file's images with the objects of a case."""
    inputs = golden.inputs(False)
    if case.startswith("selfgt"):
        for index, x in enumerate(inputs):
            objects = Instances(tuple(x["image"].shape[1:]))
            objects.gt_boxes = Boxes(torch.from_numpy(golden.arrays[f"selfgt{index}_boxes"]))
            classes = torch.from_numpy(golden.arrays[f"selfgt{index}_classes"])
            objects.gt_classes = classes.long()
            x["instances"] = objects
    return inputs


def teach(objects: Instances, masks: Tensor, quality: Tensor) -> None:
    """Give objects the pseudo masks, bool (N, height, width), that the student's losses read."""
    objects.pseudo_masks = masks[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    objects.pseudo_quality = quality
    objects.pseudo_valid = quality > 0


def inject(golden: Golden, inputs: list[dict[str, Any]]) -> None:
    for index, x in enumerate(inputs):
        masks = unpacked(golden.arrays[f"inject{index}_masks_packed"], x["image"].shape[2])
        teach(x["instances"], masks, torch.from_numpy(golden.arrays[f"inject{index}_flags"]))


@torch.no_grad()
def label(golden: Golden, case: str, model: CondInst, inputs: list[dict[str, Any]]) -> None:
    """Pseudo masks as the teacher makes them, which are the case's."""
    settings = golden.section("BOX_TEACHER", golden.case(case)[0])
    labeller = BoxPseudoMaskAssignment(
        ReleasedAssignment(settings["IOU_THR"], settings["SCORE_THR"]),
        mask_threshold=settings["TEACHER_MASK_THRESHOLD"],
    )
    model.train(not golden.case(case)[0].get("MODEL__BOX_TEACHER__TEACHER_EVAL", False))
    predicted = teacher_predictions(golden, model)
    assert_same_detections(golden, case, predicted)
    for index, (x, predictions) in enumerate(zip(inputs, predicted, strict=True)):
        objects = x["instances"]
        assigned = labeller.assign(predictions, objects.gt_boxes.tensor)
        masks = assigned.probabilities > settings["TEACHER_MASK_THRESHOLD"]
        expected = golden.arrays[f"{case}_pseudo{index}_flags"]
        theirs = unpacked(golden.arrays[f"{case}_pseudo{index}_masks_packed"], masks.shape[2])
        np.testing.assert_array_equal(assigned.found, expected > 0)
        np.testing.assert_allclose(assigned.confidence, expected, atol=2e-4)
        assert (masks != theirs).float().mean() <= 1e-3
        teach(objects, masks, assigned.confidence)


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
        model.mask_losses |= {type(term).__name__: DividedByQuality(term) for term in terms}
    model.detector.object_centers = box_centers
    return model


@pytest.mark.parametrize(("file", "case"), CASES)
def test_pseudo_masks_losses_and_gradients(file: Path, case: str) -> None:
    golden = load(file)
    overrides, counter = golden.case(case)
    model = student(golden, overrides)
    inputs = with_objects(golden, case)
    if case.startswith("inject"):
        inject(golden, inputs)
    else:
        # Teacher and student have the same weights; in training mode, stored statistics are unused.
        label(golden, case, model, inputs)
    losses = model.train()(inputs, counter + 1).losses
    expected = {
        key.removeprefix(f"{case}_"): float(golden.arrays[key])
        for key in golden.arrays.files
        if key.startswith(f"{case}_loss_")
    }
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, rel=1e-4)
    sum(losses.values()).backward()
    norms = {
        f"student.{published_name(name)}": p.grad.norm().item()
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is not None
    }
    wanted = golden.arrays[f"{case}_gradnorm"].tolist()
    assert norms == pytest.approx(
        dict(zip(golden.meta["grad_names"][case], wanted, strict=True)),
        rel=1e-3,
        abs=1e-4 * max(wanted),
    )
