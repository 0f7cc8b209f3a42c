"""Parity with the released BoxSeg as a whole: candidates, pseudo masks, pasting, losses.

The model is the composition of `experiments/conf/method/boxseg-released.yaml` around the golden
files' small student.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from boxseg.condinst.centers import box_centers
from boxseg.condinst.classification import CenternessScored
from boxseg.copy_paste import TrainingSample
from boxseg.teacher_student import TeacherStudent
from experiments.configuration.build import build as build_component
from tests.golden.comparison import assert_gradients, assert_losses
from tests.golden.composition import Recorder, around, assert_labelled, batch_of, configuration
from tests.golden.files import Golden, each, each_case, files, needs
from tests.golden.models import build
from tests.golden.released_options import SoftPseudoMaskAffinity
from tests.golden.samples import sample_of, variant_seed

MODELS = files("case4_boxseg_model")
OBJECTS = "selfgt"

pytestmark = needs(MODELS, files("case3_boxteacher"), files("case2_boxinst"))


def composed(golden: Golden, case: str) -> TeacherStudent:
    """The released method with a case's settings."""
    overrides, _ = golden.case(case)
    words = [f"seed={variant_seed(golden, golden)}"]
    if overrides.get("MODEL__COPYPASTE_ON", True):
        area = golden.told("desc", r"mask_occluded_thr lowered to (\d+)")
        rate = golden.told("desc", r"rate set to ([\d.]+)")
        words += [f"copy_paste.min_visible_area={area}", f"copy_paste.skipped={rate}"]
    else:
        words.append("copy_paste=none")
    config = configuration(golden, "boxseg-released", *words)
    terms = config.segmenter["mask_losses"]
    losses = {name: build_component(terms[name]) for name in terms}
    if not golden.section("BOX_TEACHER", overrides)["MASK_AFFINITY_BINARY"]:
        settings = {k: v for k, v in terms["pseudo_affinity"].items() if k != "_target_"}
        losses["pseudo_affinity"] = SoftPseudoMaskAffinity(**settings)
    student = build(golden, overrides, list(losses.values()))
    student.detector.object_centers = box_centers
    student.detector.classification = CenternessScored()
    if overrides.get("MODEL__USE_VFL", True):
        student.detector.classification = build_component(
            config.segmenter["detector"]["classification"]
        )
    model = around(student, config)
    if model.copy_paste is not None:
        source = sample_of(golden, "cpbank")
        model.copy_paste.bank.entries[tuple(source.classes.tolist())] = source
    return model


@pytest.mark.parametrize("file", each(MODELS))
@torch.no_grad()
def test_candidates(file: Path) -> None:
    golden = Golden.load(file)
    model = composed(golden, next(iter(golden.meta["cases"])))
    teacher, batch = model.teacher, batch_of(golden, OBJECTS)
    resized = [model.teacher_frame.resized(x["image"]) for x in batch]
    features = teacher.features(teacher.batched_images([{"image": i} for i in resized])[1].tensor)
    predictions, _ = model.teacher_frame(teacher, batch)
    everyone, _ = teacher.detector.candidates(features.outputs)
    ranked_of_all = model.pseudo_labeller.rank(predictions, [x["instances"] for x in batch])
    first = 0
    for index, x in enumerate(batch):
        prefix = f"cand{index}_"
        assert list(resized[index].shape[1:]) == golden.arrays[prefix + "image_size"].tolist()
        ranked = ranked_of_all[first : first + len(x["instances"])]
        first += len(x["instances"])
        chosen = ranked.indices[ranked.valid]
        at, size = everyone[chosen], predictions.image_sizes[index]
        for ours, name, tolerance in (
            (ranked.valid.sum(dim=1), "nums_per_gt", 0),
            (clipped(predictions.boxes[chosen], size), "boxes_resized", 0.01),
            (predictions.scores[chosen], "scores", 1e-4),
            (predictions.classes[chosen], "classes", 0),
            (at.locations, "locations", 0),
            (at.level, "fpn_levels", 0),
        ):
            np.testing.assert_allclose(ours, golden.arrays[prefix + name], atol=tolerance)


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (n, 4) cut to an image of this height and width."""
    limits = boxes.new_tensor([size[1], size[0]]).repeat(2)
    return torch.minimum(boxes.clamp(min=0), limits)


@pytest.mark.parametrize(("file", "case"), each_case(MODELS))
def test_step(file: Path, case: str) -> None:
    golden = Golden.load(file)
    model = composed(golden, case)
    model.copy_paste = recorder = Recorder(model.copy_paste)
    losses = model(batch_of(golden, OBJECTS), golden.case(case)[1] + 1).losses
    for index, (given, made) in enumerate(zip(recorder.given, recorder.made, strict=True)):
        labels, pasted = f"{case}_pseudo{index}_", f"{case}_cp{index}_"
        if labels + "masks_packed" in golden.arrays:
            assert_labelled(golden, labels, "mask_scores", given)
            scores = golden.arrays[labels + "pred_scores"]
            np.testing.assert_allclose(given.scores, scores, atol=1e-4)
        if pasted + "pasted" in golden.arrays:
            assert_pasted(golden, pasted, given, made)
    # The published varifocal term has a name of its own.
    if "loss_fcos_vfcls" in golden.losses(case):
        losses["loss_fcos_vfcls"] = losses.pop("loss_fcos_cls")
    assert_losses(golden, case, losses)
    assert_gradients(golden, case, losses, model.student, "student.")


def assert_pasted(
    golden: Golden, prefix: str, before: TrainingSample, after: TrainingSample
) -> None:
    pasted = bool(golden.arrays[prefix + "pasted"])
    assert bool(after.pasted.any()) == pasted
    np.testing.assert_allclose(after.boxes, golden.arrays[prefix + "boxes"], atol=1e-4)
    np.testing.assert_array_equal(after.classes, golden.arrays[prefix + "classes"])
    np.testing.assert_allclose(after.quality, golden.arrays[prefix + "flags"], atol=2e-4)
    if pasted:
        np.testing.assert_array_equal(after.image, golden.arrays[prefix + "image"])
    else:
        assert after is before
