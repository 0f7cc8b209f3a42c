"""Parity with the released BoxSeg: its pseudo masks, and the losses on them."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.box_supervision import BoxSupervision, box_profiles, pair_views, supervised_area
from boxseg.condinst import CondInst
from boxseg.condinst.aligned_upsample import aligned_upsample
from boxseg.condinst.centers import box_centers
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.pseudo_mask_losses import (
    PseudoMaskAffinity,
    PseudoMaskDice,
    agreeing_pairs,
)
from boxseg.quality_aware import FixedTopK, QualityAwareModule
from boxseg.quality_aware.released import (
    ConfidentSameClass,
    MajorityVote,
    VoteAgreement,
    majority_vote_masks,
    released_mask_quality,
    steadiest_thresholds,
)
from tests.golden.models import Golden, build

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BOXSEG_GOLDEN", ROOT.parent / "shared" / "golden" / "dev"))
PIECES = sorted(FOLDER.glob("case4_boxseg_pieces*.npz"))
BOXSEG = sorted(FOLDER.glob("case4_boxseg_model*.npz"))
BOXTEACHER = sorted(FOLDER.glob("case3_boxteacher*.npz"))
STRIDE = 4
DILATION = 2

pytestmark = pytest.mark.skipif(
    not (PIECES and BOXSEG and BOXTEACHER),
    reason=f"no golden files in {FOLDER}; set BOXSEG_GOLDEN to their folder",
)


def unpacked(bits: np.ndarray, width: int) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits, axis=-1)[..., :width].astype(bool))


def load(file: Path) -> Golden:
    """A file with the sections that only the sidecars of cases 1 to 3 print; all are the same."""
    golden = Golden.load(file)
    for pattern in ("case3_boxteacher*.npz", "case2_boxinst*.npz"):
        complete = Golden.load(min(FOLDER.glob(pattern))).meta["config"]
        golden.meta["config"] = {**complete, **golden.meta["config"]}
    return golden


def cases(files: list[Path]) -> list[Any]:
    return [
        pytest.param(file, name, id=f"{file.stem}-{name}")
        for file in files
        for name in Golden.load(file).meta["cases"]
    ]


# The released pseudo labeller as functions.


@pytest.mark.parametrize("file", PIECES, ids=lambda f: f.stem)
@pytest.mark.parametrize("threshold", ["static", "dynamic"])
def test_released_vote_and_score(file: Path, threshold: str) -> None:
    arrays = Golden.load(file).arrays
    counts = torch.from_numpy(arrays["pl2_in_nums_per_gt"]).long()
    classes = torch.from_numpy(arrays["pl2_in_gt_labels"]).long()
    soft = torch.from_numpy(arrays["pl2_in_soft_masks"])
    valid = torch.arange(int(counts.max())) < counts[:, None]
    masks, scores = soft.new_zeros(*valid.shape, *soft.shape[1:]), soft.new_zeros(valid.shape)
    masks[valid], scores[valid] = soft, torch.from_numpy(arrays["pl2_in_scores"])
    thresholds = torch.full((len(counts),), 0.5)
    if threshold == "dynamic":
        thresholds = steadiest_thresholds(masks, valid, classes)
        remembered = torch.from_numpy(arrays["pl2_dynamic_label_hist"])
        some = counts > 0
        torch.testing.assert_close(thresholds[some], remembered[classes[some]])
    vote = majority_vote_masks(masks, valid, thresholds) > 0.5
    expected = unpacked(arrays[f"pl2_{threshold}_masks_packed"], soft.shape[2])
    np.testing.assert_array_equal(vote, expected)
    np.testing.assert_allclose(
        released_mask_quality(masks, vote, scores, valid, thresholds),
        arrays[f"pl2_{threshold}_mask_scores"],
        rtol=1e-6,
    )
    mean_scores = scores.sum(dim=1) / counts.clamp(min=1)
    np.testing.assert_allclose(mean_scores, arrays[f"pl2_{threshold}_pred_scores"], rtol=1e-6)


# The released pseudo labeller on a teacher's predictions.


def objects_of(golden: Golden, index: int, size: tuple[int, int], prefix: str) -> Instances:
    objects = Instances(size)
    objects.gt_boxes = Boxes(torch.from_numpy(golden.arrays[f"{prefix}{index}_boxes"]))
    objects.gt_classes = torch.from_numpy(golden.arrays[f"{prefix}{index}_classes"]).long()
    return objects


@torch.no_grad()
def teacher_predictions(golden: Golden) -> list[TeacherPredictions]:
    """What the teacher predicts on the file's resized images, in the frame of the given ones.

    As released, the teacher normalises with the batch's statistics, and its boxes are not clipped.
    """
    model = build(golden, {}, [])
    model.train()
    inputs = golden.inputs(False)
    sizes = [tuple(golden.arrays[f"cand{i}_image_size"].tolist()) for i in range(len(inputs))]
    resized = [
        {"image": F.interpolate(x["image"][None].float(), size, mode="bilinear")[0]}
        for x, size in zip(inputs, sizes, strict=True)
    ]
    features = model.features(model.batched_images(resized)[1].tensor)
    return [
        predictions_of_image(model, features, index, sizes[index], tuple(x["image"].shape[1:]))
        for index, x in enumerate(inputs)
    ]


def predictions_of_image(
    model: CondInst, features: Any, index: int, size: tuple[int, int], frame: tuple[int, int]
) -> TeacherPredictions:
    candidates = model.detector.candidates(features.outputs, index)

    def masks_of(indices: Tensor) -> Tensor:
        chosen = candidates[indices]
        logits = model.masks_at(features, chosen, torch.full_like(chosen.cells, index))
        fine = aligned_upsample(logits.sigmoid()[:, None], STRIDE)[..., : size[0], : size[1]]
        return F.interpolate(fine, frame, mode="bilinear")[:, 0]

    scale = torch.tensor([frame[1] / size[1], frame[0] / size[0]]).repeat(2)
    return TeacherPredictions(
        boxes=candidates.boxes * scale,
        scores=candidates.scores,
        classes=candidates.classes,
        image_size=frame,
        original_scale=1.0,
        mask_stride=1,
        masks_of=masks_of,
        suppressed=lambda: torch.arange(0),
    )


@pytest.mark.parametrize("file", BOXSEG, ids=lambda f: f.stem)
def test_released_candidates_and_pseudo_masks(file: Path) -> None:
    golden = load(file)
    module = QualityAwareModule(
        FixedTopK(20), ConfidentSameClass(), MajorityVote(), VoteAgreement()
    )
    for index, predictions in enumerate(teacher_predictions(golden)):
        height, width = predictions.image_size
        objects = objects_of(golden, index, (height, width), "selfgt")
        ranked = module.rank(predictions, objects)
        chosen = ranked.indices[ranked.valid]
        counts = golden.arrays[f"cand{index}_nums_per_gt"]
        np.testing.assert_array_equal(ranked.valid.sum(dim=1), counts)
        boxes = Boxes(predictions.boxes[chosen].clone())
        boxes.clip((height, width))
        for ours, name, tolerance in (
            (boxes.tensor, "boxes_resized", 0.01),
            (predictions.scores[chosen], "scores", 1e-4),
            (predictions.classes[chosen], "classes", 0),
        ):
            np.testing.assert_allclose(ours, golden.arrays[f"cand{index}_{name}"], atol=tolerance)
        made = module(predictions, objects)
        np.testing.assert_array_equal(made.candidates, counts)
        rows, columns = box_profiles(objects.gt_boxes.tensor, 1, height, width)
        inside = rows[:, :, None] & columns[:, None]
        for case in golden.meta["cases"]:
            key = f"{case}_pseudo{index}"
            if f"{key}_masks_packed" not in golden.arrays:
                continue
            # The released labeller cuts its masks to the boxes only in the loss.
            expected = unpacked(golden.arrays[f"{key}_masks_packed"], width) & inside
            assert (made.masks != expected).float().mean() <= 1e-3
            np.testing.assert_allclose(made.quality, golden.arrays[f"{key}_mask_scores"], atol=2e-4)
            np.testing.assert_allclose(made.scores, golden.arrays[f"{key}_pred_scores"], atol=1e-4)


# The student's losses on the pseudo masks the files hold.


def pseudo_labelled(golden: Golden, case: str) -> list[dict[str, Any]]:
    """The file's images with the objects and the pseudo masks of a case."""
    inputs = golden.inputs(False)
    for index, x in enumerate(inputs):
        height, width = x["image"].shape[1:]
        if case.startswith("selfgt"):
            x["instances"] = objects_of(golden, index, (height, width), "selfgt")
        masks = scores = f"{case}_pseudo{index}"
        if case.startswith("inject"):
            masks = scores = f"inject{index}"
        name = "mask_scores" if f"{scores}_mask_scores" in golden.arrays else "flags"
        quality = torch.from_numpy(golden.arrays[f"{scores}_{name}"])
        full = unpacked(golden.arrays[f"{masks}_masks_packed"], width)
        x["instances"].pseudo_masks = full[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        x["instances"].pseudo_quality = quality
        x["instances"].pseudo_valid = quality > 0
    return inputs


def student(golden: Golden) -> CondInst:
    settings = golden.section("BOX_TEACHER", {})
    boxinst = golden.section("BOXINST", {})
    removed, warmup = boxinst["BOTTOM_PIXELS_REMOVED"], settings["WARMUP_ITERS"]
    losses = [
        BoxSupervision(bottom_rows_removed=removed),
        PseudoMaskDice(settings["MASK_WEIGHT"], warmup),
        PseudoMaskAffinity(settings["MASK_AFFINITY_WEIGHT"], warmup, removed, DILATION),
    ]
    model = build(golden, {}, losses)
    model.detector.object_centers = box_centers
    return model.train()


def expected_losses(golden: Golden, case: str) -> dict[str, float]:
    return {
        key.removeprefix(f"{case}_"): float(golden.arrays[key])
        for key in golden.arrays.files
        if key.startswith(f"{case}_loss_")
    }


@pytest.mark.parametrize(("file", "case"), cases(BOXSEG))
def test_boxseg_mask_losses(file: Path, case: str) -> None:
    golden = load(file)
    overrides, counter = ast.literal_eval(golden.meta["cases"][case])
    if f"{case}_pseudo0_masks_packed" not in golden.arrays:
        pytest.skip("its pseudo masks depend on the copy-paste")
    names = ["loss_prj", "loss_pairwise", "loss_mask"]
    if overrides.get("MODEL__BOX_TEACHER__MASK_AFFINITY_BINARY", True):
        names.append("loss_mask_affinity")
    losses = student(golden)(pseudo_labelled(golden, case), counter + 1).losses
    expected = expected_losses(golden, case)
    for name in names:
        assert losses[name].item() == pytest.approx(expected[name], rel=1e-4), name


@pytest.mark.parametrize("file", BOXTEACHER, ids=lambda f: f.stem)
def test_related_pairs(file: Path) -> None:
    golden = load(file)
    removed = golden.section("BOXINST", {})["BOTTOM_PIXELS_REMOVED"]
    threshold = golden.section("BOX_TEACHER", {})["MASK_AFFINITY_THRESH"]
    order = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    for index, x in enumerate(pseudo_labelled(golden, "inject")):
        affinity = torch.from_numpy(golden.arrays[f"inject_mask_affinity{index}"])
        height, width = affinity.shape[-2:]
        objects = x["instances"]
        rows, columns = box_profiles(objects.gt_boxes.tensor, STRIDE, height, width)
        masks = torch.zeros(len(objects), height, width, dtype=torch.bool)
        stored = objects.pseudo_masks
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
