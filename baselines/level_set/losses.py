"""Box2Mask's mask losses: projection on the box's sides, and level-set evolution inside of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.level_set.local_consistency import affinities, inconsistency
from baselines.level_set.region import region_term
from baselines.level_set.tree_filter import tree_filter
from boxseg.box_supervision import projection_loss, supervised_area
from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions

IMAGE_SIGMA = 0.02
"""Of the image tree's edge weights, in squared standard deviations of the colours."""


def rounded_box_profiles(
    boxes: Tensor, image_size: tuple[int, int], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Rows and columns of a map that boxes fill; their masks are the outer products.

    Box2Mask rounds a box's sides, half to even, fills it with both ends included, and resizes the
    mask bilinearly; so values lie between 0 and 1 at its edges.

    Args:
        boxes: (N, 4), XYXY in pixels.
        image_size: height and width in pixels.
        size: height and width of the map.

    Returns:
        float32 (N, height) and (N, width), in [0, 1].
    """
    corners = boxes.round()

    def filled(axis: int) -> Tensor:
        pixels = torch.arange(image_size[1 - axis], device=boxes.device)
        inside = (pixels >= corners[:, axis, None]) & (pixels <= corners[:, axis + 2, None])
        return F.interpolate(
            inside[None].float(), size=size[1 - axis], mode="linear", align_corners=False
        )[0]

    return filled(1), filled(0)


BoxMasks = Callable[[MaskPredictions], Tensor]
"""Draws all objects' boxes on the grid of the predicted masks: (N, h, w), in [0, 1]."""


def resized_box_masks(predictions: MaskPredictions) -> Tensor:
    """Boxes that end in fractions of a cell, as Box2Mask-T has them; see `rounded_box_profiles`.

    Box2Mask-C's are made of whole cells (`baselines.rounded_boxes.box_masks`).
    """
    boxes = torch.cat([o.gt_boxes.tensor for o in predictions.objects])
    height, width = predictions.images.shape[-2:]
    rows, columns = rounded_box_profiles(
        boxes.to(predictions.logits.device), (height, width), predictions.size
    )
    return rows[:, :, None] * columns[:, None]


class BoxProjection(MaskLoss):
    """Dice of the masks' projections on both axes with the boxes', mean over the positives.

    BoxInst's projection term, with Box2Mask's box masks and weight, and without a colour term.

    Args:
        weight: of the term; 3 in Box2Mask-C, 5 in Box2Mask-T.
        box_masks: how boxes are drawn.
    """

    def __init__(self, weight: float = 3.0, box_masks: BoxMasks = resized_box_masks) -> None:
        super().__init__()
        self.weight = weight
        self.box_masks = box_masks

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        boxes = self.box_masks(predictions).to(predictions.logits.dtype)
        # A box thinner than a cell fills no cell: its mask's projections are as faint.
        rows, columns = boxes.amax(dim=2), boxes.amax(dim=1)
        index = predictions.object_index
        losses = projection_loss(predictions.logits, rows[index], columns[index])
        mean = losses.sum() / shared_divisor(len(losses), 1, losses.device)
        return LossTerms({"loss_prj": mean * self.weight}, {"projection_raw": mean.detach()})


@dataclass(frozen=True)
class LevelSetTerms:
    """What `LevelSetLoss` is made of, of P masks, before any weight.

    Attributes:
        image: (P,), region term on the colours.
        features: (P,), region term on the structural features.
        inconsistency: (P,), summed over the box.
        box_pixels: (P,), pixels of the boxes, as `inconsistency` counts them.
    """

    image: Tensor
    features: Tensor
    inconsistency: Tensor
    box_pixels: Tensor


class LevelSetLoss(MaskLoss):
    """Level-set evolution in the box: regions of one colour, of one structure, and consistency.

    image_weight R(colours) + features_weight R(s1, s2), means over the positives, plus
    consistency_weight times the mean change by local refinement over the boxes' pixels. R is
    `region_term`. The structural features s1, s2 are the mask itself, filtered along the tree of
    the image's colours, and then along that of a guide, a convolution of the host's mask features
    that is learned with this loss (`tree_filter`).

    Args:
        feature_channels: of the host's mask features.
        guide_channels: of the guide; 5 in Box2Mask-C, 1 in Box2Mask-T.
        image_weight, features_weight, consistency_weight: of the terms. Box2Mask-C's published code
            has no consistency term, its paper has.
        length_weight: of the contour's length in both region terms; 1e-5 in the method's first
            version (BoxLevelSet), 0 leaves it out.
        tree_size: height and width that trees and consistency are computed at; the masks' own by
            default. Box2Mask-T has 96 x 96, whatever the image's shape.
        pixel_mean, pixel_std: of colours 0-255, in the order of the channels RGB. They are
            Box2Mask's: both the weights and `IMAGE_SIGMA` mean colours so normalised.
        channel_order: of the input images, "BGR" or "RGB".
        box_masks: how boxes are drawn.
        pad_value: of all channels, 0-255, that images are padded with before they are normalised,
            128 in Box2Mask-T; by default padding is 0 after it, as in Box2Mask-C. It is one flat
            region of the image's tree either way.
    """

    needs_mask_features = True

    pixel_mean: Tensor
    pixel_std: Tensor
    padding: Tensor

    def __init__(
        self,
        feature_channels: int,
        guide_channels: int = 5,
        image_weight: float = 0.05,
        features_weight: float = 5.0,
        consistency_weight: float = 0.2,
        length_weight: float = 0.0,
        tree_size: tuple[int, int] | None = None,
        pixel_mean: Sequence[float] = (123.675, 116.28, 103.53),
        pixel_std: Sequence[float] = (58.395, 57.12, 57.375),
        channel_order: str = "BGR",
        box_masks: BoxMasks = resized_box_masks,
        pad_value: float | None = None,
    ) -> None:
        super().__init__()
        self.guide = nn.Conv2d(feature_channels, guide_channels, 3, padding=1)
        self.image_weight = image_weight
        self.features_weight = features_weight
        self.consistency_weight = consistency_weight
        self.length_weight = length_weight
        self.tree_size = None if tree_size is None else (tree_size[0], tree_size[1])
        self.channel_order = channel_order
        self.box_masks = box_masks
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], False)
        padding = torch.zeros_like(self.pixel_mean)
        if pad_value is not None:
            padding = (pad_value - self.pixel_mean) / self.pixel_std
        self.register_buffer("padding", padding, False)

    def normalised(self, images: Tensor, image_sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Raw images (B, 3, H, W) as RGB of about unit variance, with `padding` around them."""
        rgb = images.flip(1) if self.channel_order == "BGR" else images
        colors = (rgb.float() - self.pixel_mean) / self.pixel_std
        heights = [height for height, _ in image_sizes]
        height, width = images.shape[-2:]
        inside = supervised_area(image_sizes, heights, 0, 1, height, width, images.device)
        return torch.where(inside[:, None], colors, self.padding)

    def terms(
        self,
        probabilities: Tensor,
        boxes: Tensor,
        image_index: Tensor,
        colors: Tensor,
        features: Tensor,
    ) -> LevelSetTerms:
        """The terms of P masks of one size; a host with masks of several sizes calls it for each.

        Args:
            probabilities: (P, h, w), with gradient.
            boxes: (P, h, w), in [0, 1].
            image_index: int64 (P,), the image of each mask.
            colors: (B, 3, H, W), see `normalised`.
            features: (B, D, h', w'), the host's mask features, with gradient.
        """
        size = (probabilities.shape[1], probabilities.shape[2])
        tree_size = self.tree_size or size
        places, most = _places(image_index)
        # By way of the masks' size, as published: straight from the image it is another tree.
        mask_colors = resized(colors, size)
        tree_colors = resized(mask_colors, tree_size)

        def of_images(maps: Tensor) -> Tensor:
            """Maps (P, h, w) sorted by image, as many of each: (B, most, *tree_size)."""
            filled = maps.new_zeros(len(colors) * most, *tree_size)
            filled = filled.index_copy(
                0, image_index * most + places, resized(maps[:, None], tree_size)[:, 0]
            )
            return filled.unflatten(0, (len(colors), most))

        def of_masks(maps: Tensor) -> Tensor:
            """The inverse of `of_images`, but for sizes: (P, ...)."""
            return maps.flatten(0, 1).index_select(0, image_index * most + places)

        masks, box_masks = of_images(probabilities), of_images(boxes)
        by_color = tree_filter(masks, tree_colors, IMAGE_SIGMA)
        by_guide = tree_filter(by_color, resized(self.guide(features.float()), tree_size))
        structure = torch.stack((of_masks(by_color), of_masks(by_guide)), dim=1)
        change = inconsistency(masks, affinities(tree_colors), box_masks)
        return LevelSetTerms(
            image=region_term(probabilities, boxes, mask_colors[image_index], self.length_weight),
            features=region_term(
                probabilities, boxes, resized(structure, size), self.length_weight
            ),
            inconsistency=of_masks(change),
            box_pixels=of_masks(box_masks.sum(dim=(2, 3))),
        )

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        if predictions.mask_features is None:
            raise InputError(
                "the level-set loss makes a guide of the segmenter's mask features, and this one "
                "gives none; choose another segmenter, or leave LevelSetLoss out of mask_losses."
            )
        boxes = self.box_masks(predictions).to(predictions.logits.dtype)
        terms = self.terms(
            predictions.logits.sigmoid(),
            boxes[predictions.object_index],
            predictions.image_index[predictions.object_index],
            self.normalised(predictions.images, predictions.image_sizes),
            predictions.mask_features,
        )
        positives = shared_divisor(len(terms.image), 1, terms.image.device)
        image, features = terms.image.sum() / positives, terms.features.sum() / positives
        consistency = terms.inconsistency.sum() / shared_divisor(terms.box_pixels.sum(), 1)
        return LossTerms(
            losses={
                "loss_levelset": self.image_weight * image
                + self.features_weight * features
                + self.consistency_weight * consistency
            },
            diagnostics={
                "region_image_raw": image.detach(),
                "region_features_raw": features.detach(),
                "inconsistency_raw": consistency.detach(),
            },
        )


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, h, w) of another size, bilinearly."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _places(image_index: Tensor) -> tuple[Tensor, int]:
    """Which of its image's masks each of P masks is, int64 (P,), and the most that an image has."""
    if not len(image_index):
        return image_index, 0
    same = torch.bincount(image_index)
    order = image_index.argsort(stable=True)
    places = torch.empty_like(order)
    firsts = same.cumsum(0) - same
    places[order] = torch.arange(len(order), device=order.device) - firsts[image_index[order]]
    return places, int(same.max())
