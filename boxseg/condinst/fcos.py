"""The FCOS detector: head, targets, losses, and candidate boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor, nn
from torchvision.ops import nms

from boxseg.condinst.centers import box_centers
from boxseg.condinst.classification import CenternessScored, Classification
from boxseg.condinst.fcos_head import FCOSHead, HeadOutputs, flatten_levels
from boxseg.condinst.fcos_losses import box_overlaps, centerness
from boxseg.condinst.fcos_targets import DetectionTargets, TargetAssigner
from boxseg.condinst.locations import cell_locations
from boxseg.engine.distributed import shared_divisor


@dataclass(frozen=True)
class Candidates:
    """Detections of a batch's images before or after non-maximum suppression.

    Those before it come one image's after the other's; of an image level slowest, then row, column,
    class.

    Attributes:
        boxes: float32 (K, 4), XYXY in pixels of the network's input, not clipped.
        scores: float32 (K,) in [0, 1].
        classes: int64 (K,).
        cells: int64 (K,), the cell each was predicted at (level slowest, then image, row, column).
        level: int64 (K,), 0 for the finest.
        locations: float32 (K, 2), x, y in pixels of the network's input.
        image_index: int64 (K,).
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    cells: Tensor
    level: Tensor
    locations: Tensor
    image_index: Tensor

    def __getitem__(self, keep: Tensor) -> Candidates:
        return Candidates(
            self.boxes[keep],
            self.scores[keep],
            self.classes[keep],
            self.cells[keep],
            self.level[keep],
            self.locations[keep],
            self.image_index[keep],
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

    def level_scores(self, outputs: HeadOutputs, level: int) -> Tensor:
        """What is compared with the threshold, of one level: (B, H * W, classes)."""
        logits = outputs.logits[level].flatten(2).transpose(1, 2).float()
        quality = outputs.centerness[level].flatten(2).transpose(1, 2).float()
        return self.classification.products(logits.sigmoid(), quality.sigmoid())

    def candidates(self, outputs: HeadOutputs) -> tuple[Candidates, list[int]]:
        """All images' scored boxes above the score threshold, before suppression.

        Of an image's level the best `pre_nms_top_k` remain.

        Returns:
            The candidates, and how many of them are each image's.
        """
        products = [self.level_scores(outputs, level) for level in range(len(self.strides))]
        above = torch.cat([self._best_of_level(values) for values in products], dim=1)
        counts = above.sum(dim=(1, 2)).tolist()
        image, cell, label = above.nonzero().unbind(dim=1)
        cells = [values.shape[1] for values in products]
        device = image.device
        first = torch.tensor(cells).cumsum(0) - torch.tensor(cells)
        level = torch.arange(len(cells)).repeat_interleave(
            torch.tensor(cells), output_size=sum(cells)
        )
        first, size, stride = (
            values[level].to(device, non_blocking=True)
            for values in (first, torch.tensor(cells), torch.tensor(self.strides))
        )
        level = level.to(device, non_blocking=True)
        points = torch.cat(self.locations(outputs))[cell]
        distances = torch.cat(
            [maps.flatten(2).transpose(1, 2).float() for maps in outputs.box_distances], dim=1
        )
        distances = distances[image, cell] * stride[cell][:, None]
        values = torch.cat(products, dim=1)[image, cell, label]
        found = Candidates(
            boxes=torch.cat((points - distances[:, :2], points + distances[:, 2:]), dim=1),
            scores=self.classification.scores(values),
            classes=label,
            # In the whole batch a level's cells come before the next level's of any image.
            cells=cell + first[cell] * (len(above) - 1) + image * size[cell],
            level=level[cell],
            locations=points,
            image_index=image,
        )
        return found, counts

    def _best_of_level(self, products: Tensor) -> Tensor:
        """Which of a level's products (B, cells, classes) are candidates: bool."""
        above = products > self.score_threshold
        flat = products.flatten(1)
        if flat.shape[1] <= self.pre_nms_top_k:
            return above
        best = flat.topk(self.pre_nms_top_k, dim=1, sorted=False).indices
        kept = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, best, True)
        return above & kept.reshape(products.shape)

    def surviving(self, candidates: Candidates, images: int) -> list[Tensor]:
        """Class-wise non-maximum suppression.

        Args:
            candidates: of the batch.
            images: B.

        Returns:
            Per image, indices of the best `max_detections` of its candidates, best first.
        """
        # One call for all: each image and class has a place of its own, too far from the others to
        # overlap. In double precision, as a float has no room for that many places.
        boxes = candidates.boxes.double()
        group = candidates.image_index * self.assign.num_classes + candidates.classes
        if len(boxes):
            boxes = boxes - boxes.amin()
            boxes = boxes + (group * (boxes.amax() + 1))[:, None]
        keep = nms(boxes, candidates.scores.double(), self.nms_threshold)
        keep = keep[candidates.image_index[keep].argsort(stable=True)]
        image = candidates.image_index[keep]
        everyone = torch.arange(images, device=image.device)
        counts = (image[:, None] == everyone).sum(dim=0).tolist()
        return [kept[: self.max_detections] for kept in keep.split(counts)]


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
