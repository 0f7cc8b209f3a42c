"""The FCOS detector: head, targets, losses, and candidate boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor, nn
from torchvision.ops import batched_nms

from boxseg.condinst.centers import box_centers
from boxseg.condinst.classification import CenternessScored, Classification
from boxseg.condinst.fcos_head import FCOSHead, HeadOutputs, flatten_levels
from boxseg.condinst.fcos_losses import box_overlaps, centerness
from boxseg.condinst.fcos_targets import DetectionTargets, TargetAssigner
from boxseg.condinst.locations import cell_locations
from boxseg.engine.distributed import shared_divisor


@dataclass(frozen=True)
class Candidates:
    """Detections of one image before or after non-maximum suppression.

    Attributes:
        boxes: float32 (K, 4), XYXY in pixels of the network's input, not clipped.
        scores: float32 (K,) in [0, 1].
        classes: int64 (K,).
        cells: int64 (K,), the cell each was predicted at (level slowest, then image, row, column).
        level: int64 (K,), 0 for the finest.
        locations: float32 (K, 2), x, y in pixels of the network's input.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    cells: Tensor
    level: Tensor
    locations: Tensor

    def __getitem__(self, keep: Tensor) -> Candidates:
        return Candidates(
            self.boxes[keep],
            self.scores[keep],
            self.classes[keep],
            self.cells[keep],
            self.level[keep],
            self.locations[keep],
        )


@dataclass(frozen=True)
class Positives:
    """Positive cells of a batch, for the mask head.

    Attributes:
        cells: int64 (P,), as in `Candidates`.
        scores: float32 (P,), what the detector thinks of them.
        object_index, image_index, level: int64 (P,).
        locations: float32 (P, 2).
    """

    cells: Tensor
    scores: Tensor
    object_index: Tensor
    image_index: Tensor
    level: Tensor
    locations: Tensor

    def __getitem__(self, keep: Tensor) -> Positives:
        return Positives(
            self.cells[keep],
            self.scores[keep],
            self.object_index[keep],
            self.image_index[keep],
            self.level[keep],
            self.locations[keep],
        )


class FCOS(nn.Module):
    """Fully convolutional one-stage detector (FCOS) with centre-ness.

    Args:
        head: the convolutional head.
        strides: of the pyramid's levels, finest first.
        sizes_of_interest: upper ends of the levels' size ranges, in pixels; one fewer than levels.
        num_classes: foreground classes.
        radius: of centre sampling, in strides.
        classification: loss and meaning of the class scores; focal loss with centre-ness by
            default.
        object_centers: the point of an object that centre sampling is done around.
        score_threshold: candidates need a product above it (see `Classification.products`).
        pre_nms_top_k: candidates kept per level before suppression.
        nms_threshold: IoU above which the lower-scored box of a class is suppressed.
        max_detections: kept per image.
    """

    def __init__(
        self,
        head: FCOSHead,
        strides: Sequence[int],
        sizes_of_interest: Sequence[float],
        num_classes: int,
        radius: float = 1.5,
        classification: Classification | None = None,
        object_centers: Callable[[Instances], Tensor] = box_centers,
        score_threshold: float = 0.05,
        pre_nms_top_k: int = 1000,
        nms_threshold: float = 0.6,
        max_detections: int = 100,
    ) -> None:
        super().__init__()
        self.head = head
        self.strides = tuple(strides)
        self.assign = TargetAssigner(strides, sizes_of_interest, radius, num_classes)
        self.classification = classification or CenternessScored()
        self.object_centers = object_centers
        self.score_threshold = score_threshold
        self.pre_nms_top_k = pre_nms_top_k
        self.nms_threshold = nms_threshold
        self.max_detections = max_detections

    def forward(self, pyramid: Sequence[Tensor]) -> HeadOutputs:
        """Predict at every cell of the pyramid's levels, each (B, C, H, W)."""
        return self.head(pyramid)

    def locations(self, outputs: HeadOutputs) -> list[Tensor]:
        """Per level, the cells' places in the image: float32 (H * W, 2)."""
        return [
            cell_locations(m.shape[2], m.shape[3], stride, m.device)
            for m, stride in zip(outputs.logits, self.strides, strict=True)
        ]

    def targets(self, outputs: HeadOutputs, objects: Sequence[Instances]) -> DetectionTargets:
        """Targets of every cell for the objects of the batch's images."""
        centers = [self.object_centers(image_objects) for image_objects in objects]
        return self.assign(self.locations(outputs), objects, centers)

    def losses(
        self, outputs: HeadOutputs, targets: DetectionTargets
    ) -> tuple[dict[str, Tensor], Positives]:
        """Detection losses and the positive cells.

        Returns:
            `loss_fcos_cls` (focal, per positive), `loss_fcos_loc` (GIoU, weighted by centre-ness),
            `loss_fcos_ctr`; and the positives, scored by best class probability x centre-ness.
        """
        cells = targets.positive_cells
        logits = flatten_levels(outputs.logits)
        num_positives = shared_divisor(len(cells), 1, logits.device)
        distances = flatten_levels(outputs.box_distances).index_select(0, cells)
        centerness_logits = flatten_levels(outputs.centerness).index_select(0, cells).squeeze(1)
        wanted = targets.box_distances[cells]
        wanted_centerness = centerness(wanted)
        _, giou = box_overlaps(distances, wanted)
        class_loss = self.classification.loss(logits, targets.labels, cells, distances, wanted)
        box_loss = (wanted_centerness * (1 - giou)).sum() / shared_divisor(
            wanted_centerness.sum(), 1e-6
        )
        centerness_loss = F.binary_cross_entropy_with_logits(
            centerness_logits, wanted_centerness, reduction="sum"
        )
        losses = {
            "loss_fcos_cls": class_loss / num_positives,
            "loss_fcos_loc": box_loss,
            "loss_fcos_ctr": centerness_loss / num_positives,
        }
        return losses, _positives(targets, logits.detach()[cells], centerness_logits.detach())

    @torch.no_grad()
    def positives(self, outputs: HeadOutputs, targets: DetectionTargets) -> Positives:
        """The positive cells, scored by best class probability x centre-ness."""
        cells = targets.positive_cells
        centerness_logits = flatten_levels(outputs.centerness)[cells].squeeze(1)
        return _positives(targets, flatten_levels(outputs.logits)[cells], centerness_logits)

    def cell_scores(self, outputs: HeadOutputs, level: int, image: int) -> Tensor:
        """What is compared with the threshold, of one image's level: (H * W, classes)."""
        logits = outputs.logits[level][image].flatten(1).T.float()
        quality = outputs.centerness[level][image].flatten(1).T.float()
        return self.classification.products(logits.sigmoid(), quality.sigmoid())

    def candidates(self, outputs: HeadOutputs, image: int) -> Candidates:
        """One image's scored boxes above the score threshold, before suppression."""
        parts = []
        first_cell = 0
        for level, locations in enumerate(self.locations(outputs)):
            products = self.cell_scores(outputs, level, image)
            chosen = (products > self.score_threshold).nonzero()
            values = products[chosen[:, 0], chosen[:, 1]]
            if len(values) > self.pre_nms_top_k:
                values, best = values.topk(self.pre_nms_top_k)
                chosen = chosen[best]
            cell, label = chosen.unbind(dim=1)
            distances = outputs.box_distances[level][image].flatten(1).T.float()[cell]
            distances = distances * self.strides[level]
            points = locations[cell]
            parts.append(
                Candidates(
                    boxes=torch.cat((points - distances[:, :2], points + distances[:, 2:]), dim=1),
                    scores=self.classification.scores(values),
                    classes=label,
                    cells=first_cell + image * len(locations) + cell,
                    level=torch.full_like(cell, level),
                    locations=points,
                )
            )
            first_cell += len(outputs.logits[level]) * len(locations)
        return Candidates(
            boxes=torch.cat([p.boxes for p in parts]),
            scores=torch.cat([p.scores for p in parts]),
            classes=torch.cat([p.classes for p in parts]),
            cells=torch.cat([p.cells for p in parts]),
            level=torch.cat([p.level for p in parts]),
            locations=torch.cat([p.locations for p in parts]),
        )

    def surviving(self, candidates: Candidates) -> Tensor:
        """Class-wise non-maximum suppression: indices of the best `max_detections`, best first."""
        keep = batched_nms(
            candidates.boxes, candidates.scores, candidates.classes, self.nms_threshold
        )
        return keep[: self.max_detections]

    def suppress(self, candidates: Candidates) -> Candidates:
        """The candidates that survive suppression, best first."""
        return candidates[self.surviving(candidates)]


def _positives(targets: DetectionTargets, logits: Tensor, centerness_logits: Tensor) -> Positives:
    """The positive cells of targets, from their logits (P, classes) and (P,)."""
    cells = targets.positive_cells
    return Positives(
        cells=cells,
        scores=logits.sigmoid().amax(dim=1) * centerness_logits.sigmoid(),
        object_index=targets.object_index[cells],
        image_index=targets.image_index[cells],
        level=targets.level[cells],
        locations=targets.locations[cells],
    )
