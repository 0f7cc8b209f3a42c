"""Mask supervision from boxes alone: projection and colour-affinity terms (BoxInst).

Both terms depend on an object only through its box and its image, so what they compare with is
computed once per image or object and shared by all positives of the object.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.box_masks import box_profiles
from boxseg.color import rgb_to_lab
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss
from boxseg.pixel_pairs import DIRECTIONS, PairWeights, pair_costs, pair_views


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
    ends = [
        (image_height - int(bottom_rows_removed * image_height / original), image_width)
        for (image_height, image_width), original in zip(image_sizes, original_heights, strict=True)
    ]
    bottom, right = torch.tensor(ends).to(device, non_blocking=True)[..., None].unbind(dim=1)
    return (rows < bottom)[:, :, None] & (columns < right)[:, None]


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
        # Not `norm`, which takes tens of times as long where channels are not innermost.
        distances = (first - second).square_().sum(dim=1).sqrt_()
        similarities.append(torch.exp(-0.5 * distances))
    return similarities


def projection_loss(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Dice of the masks' projections on both axes with the boxes': (P,), in [0, 2].

    Args:
        logits: (P, h, w).
        rows: bool (P, h), `columns`: bool (P, w), what the boxes fill.
    """
    # The sigmoid is monotonic: it commutes with the maximum.
    on_rows = logits.max(dim=2).values.sigmoid()
    on_columns = logits.max(dim=1).values.sigmoid()
    return dice_loss(on_rows, rows.to(logits.dtype)) + dice_loss(
        on_columns, columns.to(logits.dtype)
    )


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
        sums = pair_costs(logits, weights, object_index)
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
                "pairwise_warmup": pairwise.new_full((), warmup),
            },
        )
