"""mmdet's BoxInst, built from explicit arguments on this suite's backbone and pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from detectron2.modeling import Backbone
from torch import Tensor, nn

from baselines.mmdet_import import import_mmdet
from boxseg.errors import InputError

MASKS_PER_IMAGE = 64
"""Positives of an image that get a mask in training, shared out among its objects."""


class PyramidLevels(nn.Module):
    """A pyramid's levels as the tuple that mmdet expects of a backbone with its neck.

    Args:
        pyramid: Detectron2's.
        levels: names of the levels the detector uses, finest first.
        mask_levels: of those the mask features are made of, finest first.
        flip_channels: turn the RGB that mmdet computes with into the BGR of the pyramid's weights.
    """

    def __init__(
        self,
        pyramid: Backbone,
        levels: Sequence[str],
        mask_levels: Sequence[str],
        flip_channels: bool,
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.handed_on = sorted({*levels, *mask_levels}, key=lambda name: int(name.lstrip("p")))
        self.of_detector = [self.handed_on.index(name) for name in levels]
        self.of_masks = [self.handed_on.index(name) for name in mask_levels]
        self.flip_channels = flip_channels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) to all levels anybody uses, each (B, C, h, w)."""
        images = images.flip(1) if self.flip_channels else images
        features = self.pyramid(images.contiguous(memory_format=torch.channels_last))
        return tuple(features[name] for name in self.handed_on)


def dynamic_parameters(mask_features: int) -> int:
    """Parameters of one object's mask head of three layers: 593 for 16 features, 169 for 8.

    mmdet's layers are as wide as the mask features C: (C + 2) C + C C + C weights, 2 C + 1 biases.
    """
    c = mask_features
    return (c + 2) * c + c * c + c + 2 * c + 1


def boxinst_detector(
    backbone: Backbone,
    levels: Sequence[str],
    mask_levels: Sequence[str],
    channels: int,
    tower_convs: int,
    num_classes: int,
    strides: Sequence[int],
    sizes_of_interest: Sequence[float],
    level_scales: Sequence[float],
    mask_channels: int,
    mask_convs: int,
    mask_feature_stride: int,
    mask_stride: int,
    pixel_mean: Sequence[float],
    pixel_std: Sequence[float],
    channel_order: str,
    warmup_iterations: int = 10_000,
    bottom_rows_removed: int = 10,
    mask_features: int = 16,
) -> Any:
    """An initialised `BoxInst` of mmdet; values that are no arguments are those of its own config.

    Args:
        backbone: with a pyramid (Detectron2's FPN).
        levels: names of the levels the detector uses, finest first.
        mask_levels: of those the mask features are made of, finest first.
        channels: of the pyramid and the towers.
        tower_convs: 3x3 convolutions in each tower.
        num_classes: foreground classes.
        strides: of the detector's levels, in pixels.
        sizes_of_interest: upper ends of the levels' size ranges, in pixels; one fewer than levels.
        level_scales: per level, what relative coordinates are divided by, in pixels; mmdet wants
            one multiple of the strides.
        mask_channels, mask_convs: of the mask branch.
        mask_feature_stride, mask_stride: of mask features and masks, in pixels.
        pixel_mean, pixel_std: of the input's channels in `channel_order`, for values 0-255.
        channel_order: that the pyramid's weights expect, "RGB" or "BGR".
        warmup_iterations: of the pairwise term.
        bottom_rows_removed: without colour supervision; see `baselines.mmdet_boxinst` for which.
        mask_features: per pixel, and channels of every object's own layers.

    Raises:
        InputError: mmdet is not installed, or the level scales are no multiple of the strides.
    """
    import_mmdet()
    from mmdet.models.detectors import BoxInst
    from mmengine.config import ConfigDict

    relative = {scale / stride for scale, stride in zip(level_scales, strides, strict=True)}
    if len(relative) > 1:
        raise InputError(
            "mmdet's mask head divides by one multiple of the strides, but level_scales "
            f"{list(level_scales)} are none of {list(strides)}; give the scale others."
        )
    flip = channel_order == "BGR"
    rgb = slice(None, None, -1) if flip else slice(None)
    pyramid = PyramidLevels(backbone, levels, mask_levels, flip)
    detector = BoxInst(
        backbone={"type": lambda: pyramid},
        neck=None,
        bbox_head={
            "type": "mmdet.BoxInstBboxHead",
            "num_classes": num_classes,
            "in_channels": channels,
            "feat_channels": channels,
            "stacked_convs": tower_convs,
            "strides": list(strides),
            "regress_ranges": tuple(pairwise((-1, *sizes_of_interest, 1e8))),
            "num_params": dynamic_parameters(mask_features),
            "norm_on_bbox": True,
            "centerness_on_reg": True,
            "center_sampling": True,
            "conv_bias": True,
            "loss_bbox": {"type": "mmdet.GIoULoss"},
        },
        mask_head={
            "type": "mmdet.BoxInstMaskHead",
            "feat_channels": mask_features,
            "size_of_interest": relative.pop(),
            "mask_out_stride": mask_stride,
            "topk_masks_per_img": MASKS_PER_IMAGE,
            "warmup_iters": warmup_iterations,
            "mask_feature_head": {
                "in_channels": channels,
                "feat_channels": mask_channels,
                "start_level": pyramid.of_masks[0],
                "end_level": pyramid.of_masks[-1],
                "out_channels": mask_features,
                "mask_stride": mask_feature_stride,
                "num_stacked_convs": mask_convs,
                "norm_cfg": {"type": "BN"},
            },
            "loss_mask": {"type": "mmdet.DiceLoss", "eps": 5e-6},
        },
        data_preprocessor={
            "type": "mmdet.BoxInstDataPreprocessor",
            "mean": list(pixel_mean)[rgb],
            "std": list(pixel_std)[rgb],
            "pad_size_divisor": max(backbone.size_divisibility, 1),
            "mask_stride": mask_stride,
            "bottom_pixels_removed": bottom_rows_removed,
        },
        test_cfg=ConfigDict(
            nms_pre=1000,
            min_bbox_size=0,
            score_thr=0.05,
            nms={"type": "nms", "iou_threshold": 0.6},
            max_per_img=100,
            mask_thr=0.5,
        ),
    )
    detector.init_weights()
    return detector
