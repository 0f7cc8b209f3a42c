"""mmdet's BoxInst as a segmenter: what a training step and an evaluation ask of a host."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")

from baselines.mmdet_boxinst import MMDetBoxInst
from baselines.mmdet_detector import dynamic_parameters
from baselines.mmdet_samples import network_input
from boxseg.aligned_upsample import aligned_upsample
from boxseg.errors import InputError
from boxseg.peer_copy_paste import PeerCopyPaste
from boxseg.pseudo_mask_losses import PseudoMaskDice
from boxseg.quality_aware import QualityAwareModule
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from tests.baselines.mmdet_models import blocks, image_with, losses, pair
from tests.baselines.mmdet_weights import TERMS
from tests.experiments.command_line import losses as run_losses
from tests.experiments.command_line import result, trained
from tests.taught_masks import labelled

BOXES = [[4.0, 6.5, 30.0, 34.0], [28.3, 26.0, 60.0, 58.0]]


def confident(*words: str) -> MMDetBoxInst:
    """With weights that find many objects with lively masks."""
    _, model = pair(*words)
    with torch.no_grad():
        model.detector.bbox_head.conv_cls.bias.fill_(0.0)
    return model


def batch() -> list[dict[str, Any]]:
    torch.manual_seed(0)
    return [image_with(blocks(range(90, 130)), BOXES), image_with(blocks([7, 90]), BOXES[:1])]


def test_detections_are_the_proposals_that_survive() -> None:
    model = confident().eval()
    images = batch()
    found = model(images)
    with torch.no_grad():
        proposed = model.proposals([x["image"] for x in images], [64, 64])
    assert min(proposed.counts) > 100
    survivors = proposed.suppressed()
    everyone = proposed.masks_of(torch.cat(list(survivors)), [len(kept) for kept in survivors])
    each = everyone.split([len(kept) for kept in survivors])
    for kept, one, masks in zip(survivors, found, each, strict=True):
        detections = one["instances"]
        assert 5 < len(kept) == len(detections) <= 100
        torch.testing.assert_close(proposed.boxes[kept], detections.pred_boxes.tensor)
        torch.testing.assert_close(proposed.scores[kept], detections.scores)
        assert torch.equal(proposed.classes[kept], detections.pred_classes)
        assert masks.shape == (len(kept), 16, 16) and proposed.mask_stride == 4
        fine = aligned_upsample(masks[:, None], 4)[:, 0]
        assert torch.equal(fine > 0.5, detections.pred_masks.dense())
        assert 0 < detections.pred_masks.dense().float().mean() < 1
    assert proposed.mask_size == (16, 16)


def test_detections_are_in_the_original_images_pixels() -> None:
    model = confident().eval()
    image = batch()[0]
    small = model([image])[0]["instances"]
    large = model([{**image, "height": 128, "width": 192}])[0]["instances"]
    assert large.image_size == (128, 192)
    assert large.pred_masks.size == (128, 192)
    scale = torch.tensor([3.0, 2.0, 3.0, 2.0])
    torch.testing.assert_close(large.pred_boxes.tensor, small.pred_boxes.tensor * scale)


def test_no_detection_is_an_empty_result() -> None:
    model = confident().eval()
    with torch.no_grad():
        model.detector.bbox_head.conv_cls.bias.fill_(-50.0)
    (found,) = model(batch()[:1])
    assert len(found["instances"]) == 0
    assert found["instances"].pred_masks.dense().shape == (0, 64, 64)
    with torch.no_grad():
        proposed = model.proposals([batch()[0]["image"]], [64])
    (kept,) = proposed.suppressed()
    assert len(proposed.boxes) == len(kept) == 0
    assert proposed.masks_of(kept, [0]).shape == (0, 16, 16)


def test_boxes_of_a_teacher_in_training_mode_are_in_pixels() -> None:
    model = confident()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    images = [x["image"] for x in batch()]
    with torch.no_grad():
        training = model.train(True) and model.proposals(images, [64, 64])
        assert model.detector.bbox_head.training
    widths = training.boxes[:, 2] - training.boxes[:, 0]
    assert widths.max() > 16


def test_an_image_without_objects() -> None:
    model = confident()
    empty = image_with(blocks([9]), [[0.0, 0.0, 9.0, 9.0]])
    empty["instances"] = empty["instances"][torch.zeros(1, dtype=torch.bool)]
    model.mask_losses["dice"] = PseudoMaskDice(1.0, 1)
    empty["sample"] = labelled(torch.zeros(0, 4), torch.zeros(0, 16, 16), stride=4)
    terms = model.losses([empty], 3).losses
    assert terms["loss_mask"] == 0 and terms["loss_mask_project"] == 0
    assert terms["loss_cls"] > 0


def test_the_warm_up_follows_the_iteration() -> None:
    _, model = pair("images.iterations_1x=900")  # 10,000 of 90,000 iterations are 100
    raw = model.losses(batch(), 100).losses["loss_mask_pairwise"]
    for iteration, share in ((1, 0.01), (25, 0.25), (400, 1.0)):
        found = model.losses(batch(), iteration).losses["loss_mask_pairwise"]
        assert found.item() == pytest.approx(share * raw.item(), rel=1e-5)


def test_colours_are_compared_in_the_unperturbed_image() -> None:
    _, model = pair()
    plain, changed = batch(), batch()
    for x in changed:
        x["unperturbed_image"] = x["image"]
        x["image"] = 255 - x["image"]
    seen, wanted = losses(model, changed), losses(model, plain)
    assert seen["loss_cls"] != wanted["loss_cls"]
    model.detector.extract_feat = lambda _, features=model.detector.extract_feat: features(
        network_input(model.detector, [x["image"] for x in plain])[0]
    )
    assert losses(model, changed) == wanted


def test_the_pyramid_sees_its_own_channel_order() -> None:
    words = ("scale.input.pixel_mean=[10.0,20.0,30.0]", "scale.input.pixel_std=[1.0,2.0,3.0]")
    _, model = pair("channel_order=BGR", *words)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = batch()[0]
    model.losses([image], 1)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([10.0, 20.0, 30.0], [1.0, 2.0, 3.0]))
    torch.testing.assert_close(seen[0][0], (image["image"].float() - mean) / std)


def test_numbers_of_parameters() -> None:
    assert (dynamic_parameters(16), dynamic_parameters(8)) == (593, 169)


def test_level_scales_must_be_one_multiple_of_the_strides() -> None:
    with pytest.raises(InputError, match="one multiple of the strides"):
        pair("scale.images.scenes.level_scales=[32,64,100]")


def taught() -> TeacherStudent:
    """The method's own model, with a student that finds much and tutors that need not be good."""
    model = build(compose(["scale=smoke", "method=boxseg", "segmenter=mmdet-boxinst"]).model)
    easy = {"min_quality": 0.1, "min_score": 0.1, "max_iou": 1.0, "min_area": 1.0}
    model.copy_paste = PeerCopyPaste(probability=1.0, warmup_iterations=0, **easy)
    model.student = confident()
    model.student.mask_losses = nn.ModuleDict({"dice": PseudoMaskDice(1.0, 1)})
    model.teacher = copy.deepcopy(model.student).requires_grad_(False)
    return model.train()


def test_qam_and_pc_teach_it() -> None:
    model = taught()
    assert isinstance(model.pseudo_labeller, QualityAwareModule)
    images = batch()
    for x in images:
        view = View(64, 64)
        x |= {"teacher_image": x["image"], "teacher_view": view, "student_view": view}
        x |= {"color_seed": 1, "diagnostic_masks": None}
    pasted = 0.0
    for iteration in range(1, 5):
        model.before_step(iteration)
        terms = model(copy.deepcopy(images), iteration)
        pasted += terms.diagnostics["copy_paste_pastes"].item()
        assert terms.diagnostics["pseudo_valid_share"] > 0
        assert 0 < terms.losses["loss_mask"] < 1
    assert pasted > 0
    torch.stack(list(terms.losses.values())).sum().backward()
    head = model.student.detector.mask_head.mask_feature_head.conv_pred
    assert head.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.teacher.parameters())
    assert model.eval()(images)[0]["instances"].has("pred_masks")


@pytest.mark.parametrize("method", ["mmdet-boxinst", "boxseg"])
def test_a_run_at_smoke_scale(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOXSEG_DATA", str(tmp_path / "data"))
    run = trained(tmp_path / "run", f"method={method}", "segmenter=mmdet-boxinst")
    assert result(run)["method"] == method
    (kept,) = result(run)["deviations"] or [""]
    assert ("detection=varifocal" in kept) == (method == "boxseg")
    taught = {"loss_mask", "loss_mask_affinity", "copy_paste_pastes"}
    for line in run_losses(run):
        assert set(TERMS.values()) <= set(line)
        assert (taught <= set(line)) == (method == "boxseg")
