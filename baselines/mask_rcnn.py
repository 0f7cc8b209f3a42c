"""Mask R-CNN, a mask-supervised row of table 1: Detectron2's own, built from explicit arguments.

He et al., "Mask R-CNN", ICCV 2017, with a feature pyramid (Lin et al., CVPR 2017). Numbers that are
not among the arguments are those of Detectron2's R-50-FPN configuration, whose ROIAlign and
non-maximum suppression are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone, GeneralizedRCNN, StandardROIHeads
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.modeling.proposal_generator import RPN
from detectron2.modeling.proposal_generator.rpn import StandardRPNHead
from detectron2.modeling.roi_heads.box_head import FastRCNNConvFCHead
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import MaskRCNNConvUpsampleHead
from detectron2.structures import Instances
from detectron2.utils.events import EventStorage

from boxseg.backbones.resnet import CoarserLevel, pyramid
from boxseg.encoded_masks import EncodedMasks, mask_chunks
from boxseg.errors import InputError
from boxseg.fine_tuning import FineTunable
from boxseg.mask_losses import LossTerms

ASPECT_RATIOS = (0.5, 1.0, 2.0)
BOX_CELLS, MASK_CELLS = 7, 14
"""Sides of the pooled features of a region, for its box and for its mask."""


class MaskRCNN(GeneralizedRCNN, FineTunable):
    """Detectron2's two-stage detector, as this suite's engine calls it.

    Its pyramid is of all features that a network hands on. What it declares is explained in
    `boxseg.segmenter.Segmenter`.

    Args:
        bottom_up: whose features follow each other at twice the stride.
        channels: of the pyramid, the proposals' head and the mask head; the box head has two fully
            connected layers of four times as many.
        num_classes: foreground classes.
        smallest_anchor: side of the finest level's anchors, in pixels; doubled per level.
        canonical_box_size: side of a box pooled from stride 16, in pixels (224 on COCO).
        mask_convs: 3x3 convolutions of the mask head.
        pixel_mean, pixel_std: of the input's three channels, for values 0-255.
    """

    class_layers: ClassVar[Mapping[str, int]] = {
        "roi_heads.box_predictor.cls_score": 1,
        "roi_heads.box_predictor.bbox_pred": 4,
        "roi_heads.mask_head.predictor": 1,
    }

    def __init__(
        self,
        bottom_up: Backbone,
        channels: int,
        num_classes: int,
        smallest_anchor: float,
        canonical_box_size: float,
        mask_convs: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        shapes = bottom_up.output_shape()
        names = sorted(shapes, key=lambda name: shapes[name].stride)
        strides = [shapes[name].stride for name in names]
        levels = [f"p{stride.bit_length() - 1}" for stride in strides]
        coarsest = CoarserLevel(levels[-1])  # for the proposals only
        backbone = pyramid(bottom_up, names, channels, coarsest)
        proposals = _proposals(backbone, smallest_anchor)
        regions = _regions(levels, strides, channels, num_classes, canonical_box_size, mask_convs)
        super().__init__(
            backbone=backbone,
            proposal_generator=proposals,
            roi_heads=regions,
            pixel_mean=list(pixel_mean),
            pixel_std=list(pixel_std),
        )

    def before_step(self, iteration: int) -> None:
        """Nothing to do before a training step."""

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses in training mode, detections in evaluation mode.

        Args:
            batch: per image, Detectron2's dict: `image` (3, H, W) 0-255, `height` and `width` of
                the original image, and for training `instances` with `gt_boxes`, `gt_classes` and
                `gt_masks`.
            iteration: of the training; nothing depends on it.

        Returns:
            In training, `LossTerms`. In evaluation, per image {"instances": Instances} with
            `pred_boxes`, `scores`, `pred_classes` and `pred_masks` (`EncodedMasks`) at the original
            size.

        Raises:
            InputError: the training objects carry no masks.
        """
        if not self.training:
            found = super().inference(batch, do_postprocess=False)
            return [
                {"instances": at_original_size(one, x)} for one, x in zip(found, batch, strict=True)
            ]
        if not all(x["instances"].has("gt_masks") for x in batch):
            raise InputError(
                "Mask R-CNN is trained on masks, but those of the training objects were not "
                "loaded; set load_masks=true."
            )
        with EventStorage():  # its parts log there, whoever calls them
            return LossTerms(dict(super().forward(batch)), {})


def at_original_size(found: Instances, x: Mapping[str, Any]) -> Instances:
    """Detectron2's enlargement of an image's detections, a bounded part of them at a time.

    Args:
        found: at the size of the network's input, masks as the mask head gives them; changed.
        x: the image, with `height` and `width` of the original if that has another size.
    """
    height = int(x.get("height", found.image_size[0]))
    width = int(x.get("width", found.image_size[1]))
    parts = []
    for run in mask_chunks(len(found), height * width):
        part = detector_postprocess(found[run], height, width)
        part.pred_masks = EncodedMasks.of(part.pred_masks.bool())  # bytes where none is left
        parts.append(part)
    return Instances.cat(parts)


def _proposals(backbone: Backbone, smallest_anchor: float) -> RPN:
    shapes = backbone.output_shape()
    levels = sorted(shapes, key=lambda name: shapes[name].stride)
    return RPN(
        in_features=levels,
        head=StandardRPNHead(
            in_channels=shapes[levels[0]].channels, num_anchors=len(ASPECT_RATIOS)
        ),
        anchor_generator=DefaultAnchorGenerator(
            sizes=[[smallest_anchor * 2**index] for index in range(len(levels))],
            aspect_ratios=[list(ASPECT_RATIOS)],
            strides=[shapes[name].stride for name in levels],
            offset=0.0,
        ),
        anchor_matcher=Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000),
        post_nms_topk=(1000, 1000),
        nms_thresh=0.7,
    )


def _regions(
    levels: Sequence[str],
    strides: Sequence[int],
    channels: int,
    num_classes: int,
    canonical_box_size: float,
    mask_convs: int,
) -> StandardROIHeads:
    def pooler(cells: int) -> ROIPooler:
        return ROIPooler(
            output_size=cells,
            scales=[1 / stride for stride in strides],
            sampling_ratio=0,
            pooler_type="ROIAlignV2",
            canonical_box_size=canonical_box_size,
        )

    box_head = FastRCNNConvFCHead(
        ShapeSpec(channels=channels, height=BOX_CELLS, width=BOX_CELLS),
        conv_dims=[],
        fc_dims=[4 * channels, 4 * channels],
    )
    return StandardROIHeads(
        num_classes=num_classes,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=Matcher([0.5], [0, 1], allow_low_quality_matches=False),
        box_in_features=list(levels),
        box_pooler=pooler(BOX_CELLS),
        box_head=box_head,
        box_predictor=FastRCNNOutputLayers(
            box_head.output_shape,
            box2box_transform=Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0)),
            num_classes=num_classes,
            test_score_thresh=0.05,
            test_nms_thresh=0.5,
            test_topk_per_image=100,
        ),
        mask_in_features=list(levels),
        mask_pooler=pooler(MASK_CELLS),
        mask_head=MaskRCNNConvUpsampleHead(
            ShapeSpec(channels=channels, height=MASK_CELLS, width=MASK_CELLS),
            num_classes=num_classes,
            conv_dims=[channels] * (mask_convs + 1),
        ),
    )
