"""Mask supervision from boxes alone: projection and colour-affinity terms (BoxInst).

Both terms depend on an object only through its box and its image, so what they compare with is
computed once per image or object and shared by all positives of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.box_masks import box_profiles
from boxseg.color import rgb_to_lab
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Half of the 8 neighbours: the relation is symmetric, so every pair is looked at once."""


def pair_views(maps: Tensor, direction: tuple[int, int], dilation: int) -> tuple[Tensor, Tensor]:
    """Two views of maps (..., H, W) such that equal indices are a pixel and its neighbour.

    The neighbour lies `dilation` times (rows, columns) = `direction` away; pairs that would leave
    the map are not in the views.
    """
    down, right = (step * dilation for step in direction)
    height, width = maps.shape[-2:]
    first = maps[..., : max(height - down, 0), max(-right, 0) : max(width - max(right, 0), 0)]
    second = maps[..., down:, max(right, 0) : max(width + min(right, 0), 0)]
    return first, second


def supervised_area(
    image_sizes: Sequence[tuple[int, int]],
    original_heights: Sequence[int],
    bottom_rows_removed: int,
    stride: int,
    height: int,
    width: int,
    device: torch.device,
) -> Tensor:
    """Where colours may be compared: bool (B, height, width).

    Padding is out, and so are the lowest `bottom_rows_removed` rows of the original image (COCO
    has annotation artefacts there).
    """
    rows = torch.arange(height, device=device) * stride + stride // 2
    columns = torch.arange(width, device=device) * stride + stride // 2
    areas = []
    for (image_height, image_width), original in zip(image_sizes, original_heights, strict=True):
        removed = int(bottom_rows_removed * image_height / original)
        inside = (rows < image_height - removed)[:, None] & (columns < image_width)[None]
        areas.append(inside)
    return torch.stack(areas)


def area_of_predictions(predictions: MaskPredictions, bottom_rows_removed: int) -> Tensor:
    """The supervised area of a batch's images on the grid of its predicted masks: (B, h, w)."""
    return supervised_area(
        predictions.image_sizes,
        predictions.original_heights,
        bottom_rows_removed,
        predictions.stride,
        *predictions.size,
        predictions.logits.device,
    )


def color_similarities(images: Tensor, stride: int, dilation: int) -> list[Tensor]:
    """Similarity exp(-|c_p - c_q| / 2) of every pixel pair, in LAB at the masks' stride.

    Args:
        images: (B, 3, H, W), RGB, 0-255.
        stride: colours are means over stride x stride pixels, rounded down.
        dilation: distance of the neighbours.

    Returns:
        Per direction, the shape of `pair_views`, in (0, 1].
    """
    means = F.avg_pool2d(images.float(), stride, stride).floor()
    lab = rgb_to_lab(means)
    similarities = []
    for direction in DIRECTIONS:
        first, second = pair_views(lab, direction, dilation)
        similarities.append(torch.exp(-0.5 * (first - second).norm(dim=1)))
    return similarities


@dataclass(frozen=True)
class PairWeights:
    """How much every pixel pair counts in the pairwise term, per object.

    A pair counts once for each of its two pixels that lies in the box while the other lies in the
    supervised area, if the two are related (of similar colour, say).

    Attributes:
        pairs: per direction, float32 (N, rows, columns) in the shape of `pair_views`.
        pixels: float32 (N, h, w), the sum over the pairs that a pixel is part of.
        total: float32 (N,), sum over the pairs.
    """

    pairs: list[Tensor]
    pixels: Tensor
    total: Tensor

    @staticmethod
    def of(related: Sequence[Tensor], area: Tensor, boxes: Tensor, dilation: int) -> PairWeights:
        """Weights of N objects.

        Args:
            related: per direction, bool (N, rows, columns).
            area: bool (N, h, w), supervised area of each object's image.
            boxes: bool (N, h, w), box masks.
            dilation: distance of the neighbours.
        """
        pairs = []
        pixels = torch.zeros(boxes.shape, device=boxes.device)
        total = torch.zeros(len(boxes), device=boxes.device)
        for direction, relation in zip(DIRECTIONS, related, strict=True):
            box1, box2 = pair_views(boxes, direction, dilation)
            area1, area2 = pair_views(area, direction, dilation)
            counts = (box1 & area2).float() + (box2 & area1).float()
            weights = counts * relation
            pairs.append(weights)
            pixels1, pixels2 = pair_views(pixels, direction, dilation)
            pixels1 += weights
            pixels2 += weights
            total = total + weights.sum(dim=(1, 2))
        return PairWeights(pairs, pixels, total)


def projection_loss(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Dice of the masks' projections on both axes with the boxes': (P,), in [0, 2].

    Args:
        logits: (P, h, w).
        rows: bool (P, h), `columns`: bool (P, w), what the boxes fill.
    """
    # The sigmoid is monotonic: it commutes with the maximum.
    on_rows = logits.amax(dim=2).sigmoid()
    on_columns = logits.amax(dim=1).sigmoid()
    return dice_loss(on_rows, rows.to(logits.dtype)) + dice_loss(
        on_columns, columns.to(logits.dtype)
    )


def pairwise_sums(
    logits: Tensor, weights: PairWeights, object_index: Tensor, dilation: int
) -> Tensor:
    """Weighted sum of -log P(both pixels carry the same label) per positive: (P,).

    With p = sigmoid(a) and q = sigmoid(b), p q + (1 - p)(1 - q) is (1 + e^(a+b)) divided by
    (1 + e^a)(1 + e^b), so the term is softplus(a) + softplus(b) - softplus(a + b): one softplus per
    pixel, weighted by what all its pairs weigh, and one per pair.

    Args:
        logits: (P, h, w).
        weights: of N objects.
        object_index: int64 (P,).
        dilation: distance of the neighbours.
    """
    sums = (F.softplus(logits) * weights.pixels[object_index]).sum(dim=(1, 2))
    for direction, pairs in zip(DIRECTIONS, weights.pairs, strict=True):
        first, second = pair_views(logits, direction, dilation)
        sums = sums - (F.softplus(first + second) * pairs[object_index]).sum(dim=(1, 2))
    return sums


class BoxSupervision(MaskLoss):
    """L_box: projection plus colour-affinity terms.

    Args:
        color_threshold: pairs at least this similar should carry the same label.
        warmup_iterations: over which the pairwise term grows linearly from 0.
        bottom_rows_removed: rows of the original image without colour supervision (10 on COCO).
        dilation: distance of a pixel's 8 neighbours, in mask pixels.
        channel_order: of the input images, "BGR" or "RGB".
    """

    def __init__(
        self,
        color_threshold: float = 0.3,
        warmup_iterations: int = 10_000,
        bottom_rows_removed: int = 10,
        dilation: int = 2,
        channel_order: str = "BGR",
    ) -> None:
        super().__init__()
        self.color_threshold = color_threshold
        self.warmup_iterations = warmup_iterations
        self.bottom_rows_removed = bottom_rows_removed
        self.dilation = dilation
        self.channel_order = channel_order

    def object_weights(
        self, predictions: MaskPredictions, box_masks: Tensor, image_index: Tensor
    ) -> PairWeights:
        """Pair weights of all objects; `image_index` int64 (N,) names each one's image."""
        similar = [s >= self.color_threshold for s in self.similarities(predictions)]
        area = area_of_predictions(predictions, self.bottom_rows_removed)
        return PairWeights.of(
            [pairs[image_index] for pairs in similar], area[image_index], box_masks, self.dilation
        )

    def similarities(self, predictions: MaskPredictions) -> list[Tensor]:
        """Per direction, how alike the pixels of every pair of the images are, in [0, 1]."""
        rgb = predictions.images
        if self.channel_order == "BGR":
            rgb = rgb.flip(1)
        return color_similarities(rgb, predictions.stride, self.dilation)

    def areas(self, predictions: MaskPredictions) -> tuple[Tensor, Tensor, Tensor]:
        """Where the N objects are: bool (N, h, w), and its rows (N, h) and columns (N, w)."""
        logits = predictions.logits
        boxes = torch.cat([o.gt_boxes.tensor for o in predictions.objects]).to(logits.device)
        rows, columns = box_profiles(boxes, predictions.stride, *predictions.size)
        return rows[:, :, None] & columns[:, None], rows, columns

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        logits, object_index = predictions.logits, predictions.object_index
        with torch.no_grad():
            boxes, rows, columns = self.areas(predictions)
            weights = self.object_weights(predictions, boxes, predictions.image_index)
        projection = projection_loss(logits, rows[object_index], columns[object_index])
        sums = pairwise_sums(logits, weights, object_index, self.dilation)
        pairwise = sums.sum() / shared_divisor(weights.total[object_index].sum(), 1)
        warmup = min(predictions.iteration / self.warmup_iterations, 1.0)
        return LossTerms(
            losses={
                "loss_prj": projection.sum()
                / shared_divisor(len(projection), 1, projection.device),
                "loss_pairwise": pairwise * warmup,
            },
            diagnostics={
                "pairwise_raw": pairwise.detach(),
                "pairwise_warmup": pairwise.new_tensor(warmup),
            },
        )
