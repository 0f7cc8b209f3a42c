"""Mask R-CNN: Detectron2's own model, from explicit arguments, on this suite's engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from detectron2.structures import Boxes
from detectron2.utils.events import EventStorage
from torchvision.ops import roi_align

from baselines.mask_rcnn import MaskRCNN
from boxseg.backbones.resnet import resnet
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from tests.condinst.tiny import two_images
from tests.experiments.command_line import losses, result, trained

FIELDS = {"loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}


def of_scale(scale: str, *words: str) -> MaskRCNN:
    torch.manual_seed(0)
    model = build(compose([f"scale={scale}", "method=mask-rcnn", *words]).model)
    assert isinstance(model, MaskRCNN)
    return model.train()


def detectron2_settings() -> CfgNode:
    """Detectron2's configuration of Mask R-CNN with a pyramid, on ResNet-18 and for 3 classes."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.RPN.PRE_NMS_TOPK_TRAIN = 2000
    cfg.MODEL.RPN.PRE_NMS_TOPK_TEST = 1000
    cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 1000
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 2
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 4
    cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    return cfg


def test_it_is_the_model_of_detectron2s_configuration() -> None:
    cfg = detectron2_settings()
    theirs = build_model(cfg).train()
    ours = MaskRCNN(
        bottom_up=resnet(18),
        channels=256,
        num_classes=3,
        smallest_anchor=32,
        canonical_box_size=224,
        mask_convs=4,
        pixel_mean=cfg.MODEL.PIXEL_MEAN,
        pixel_std=cfg.MODEL.PIXEL_STD,
    ).train()
    ours.load_state_dict(theirs.state_dict())
    batch = two_images(with_masks=True)
    torch.manual_seed(1)
    mine = ours(batch, 1).losses
    torch.manual_seed(1)
    with EventStorage():
        wanted = theirs(batch)
    assert set(mine) == set(wanted) == FIELDS
    for name, loss in wanted.items():
        assert loss > 0
        assert mine[name].item() == pytest.approx(loss.item(), rel=1e-6), name
    with torch.no_grad():
        found, expected = ours.eval()(batch), theirs.eval()(batch)
    for one, other in zip(found, expected, strict=True):
        a, b = one["instances"], other["instances"]
        assert len(a) == len(b)
        torch.testing.assert_close(a.pred_boxes.tensor, b.pred_boxes.tensor)
        assert torch.equal(a.pred_masks.dense(), b.pred_masks)


def test_sizes_in_pixels_scale_with_the_images() -> None:
    # A pixel of smoke images is 0.12 of the papers': anchors from 0.12 x 32, boxes of 0.12 x 224.
    model = of_scale("smoke")
    generator = model.proposal_generator.anchor_generator
    assert generator.strides == [4, 8, 16, 32]
    squares = [cells[1] for cells in generator.cell_anchors]
    sides = [(cell[2] - cell[0]).item() for cell in squares]
    assert sides == pytest.approx([3.84, 7.68, 15.36, 30.72])
    pooler = model.roi_heads.box_pooler
    assert pooler.canonical_box_size == pytest.approx(26.88)
    assert (pooler.min_level, pooler.max_level) == (2, 4)


def test_the_papers_scale_has_the_usual_pyramid() -> None:
    with torch.device("meta"):
        model = of_scale("paper", "dataset=coco", "root=nowhere")
    assert model.proposal_generator.in_features == ["p2", "p3", "p4", "p5", "p6"]
    assert model.proposal_generator.anchor_generator.strides == [4, 8, 16, 32, 64]
    assert model.roi_heads.mask_in_features == ["p2", "p3", "p4", "p5"]
    assert model.roi_heads.box_predictor.cls_score.out_features == 81


def test_regions_are_pooled_by_torchvision() -> None:
    model = of_scale("smoke")
    features = [torch.randn(1, 32, 64 // stride, 64 // stride) for stride in (4, 8, 16)]
    # sqrt(area) / 44.8 = 1/4, 1/2 and 1: levels 4 - 2, 4 - 1 and 4, strides 4, 8 and 16.
    boxes = torch.tensor([[3.0, 5.0, 14.3, 16.3], [10.0, 8.0, 32.5, 30.5], [5.0, 6.0, 50.0, 51.0]])
    pooled = model.roi_heads.mask_pooler(features, [Boxes(boxes)])
    for index, (level, stride) in enumerate(zip(features, (4, 8, 16), strict=True)):
        wanted = roi_align(level, [boxes[index : index + 1]], 14, 1 / stride, aligned=True)
        torch.testing.assert_close(pooled[index], wanted[0])


def test_masks_reach_the_loss() -> None:
    model, batch = of_scale("smoke"), two_images(with_masks=True)

    def mask_loss(images: list[dict[str, Any]]) -> float:
        torch.manual_seed(0)
        return model(images, 1).losses["loss_mask"].item()

    before = mask_loss(batch)
    for x in batch:
        x["instances"].gt_masks.tensor[:] = False
    assert mask_loss(batch) != before


def test_objects_without_masks_are_refused() -> None:
    with pytest.raises(InputError, match="set load_masks=true"):
        of_scale("smoke")(two_images(with_masks=False), 1)


@pytest.mark.slow
def test_it_overfits_two_images() -> None:
    model, batch = of_scale("smoke"), two_images(with_masks=True)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    totals = []
    for iteration in range(1, 31):
        total = torch.stack(list(model(batch, iteration).losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.5 * sum(totals[:5])


def test_a_run_at_smoke_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOXSEG_DATA", str(tmp_path / "data"))
    run = trained(tmp_path / "run", "method=mask-rcnn")
    assert result(run)["method"] == "mask-rcnn"
    assert all(set(line) >= FIELDS for line in losses(run))
    assert isinstance(json.loads((run / "predictions.json").read_text()), list)
