"""DiscoBox's supervision between images: like objects correspond, and speak for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

from baselines.discobox.correspondence import (
    cell_cosines,
    correspondence_loss,
    messages,
    smoothed,
    transport,
    unit_features,
)
from baselines.discobox.gates import Gate
from baselines.discobox.losses import DiscoBoxSupervision, self_training_loss
from baselines.discobox.mean_field import MeanField
from baselines.discobox.object_bank import ObjectBank, StoredObjects
from baselines.rounded_boxes import box_masks
from boxseg.box_masks import tight_boxes
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_losses import LossTerms, MaskPredictions
from boxseg.pseudo_labels import CentralPredictions


def cut_out(maps: Tensor, boxes: Tensor, images: Tensor, scale: float, side: int) -> Tensor:
    """Parts of maps resized to squares (RoIAlign): (N, C, side, side).

    Args:
        maps: (B, C, h, w).
        boxes: (N, 4), XYXY in cells.
        images: int64 (N,), the map of each.
        scale: cells of the maps per cell that boxes are counted in.
        side: of the squares.
    """
    regions = torch.cat((images[:, None].to(boxes), boxes), dim=1)
    return roi_align(maps.float(), regions, (side, side), scale, -1, aligned=True)


def put_back(squares: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Squares resized bilinearly to boxes, in maps that are 0 outside: (N, C, h, w).

    Args:
        squares: (N, C, T, T).
        boxes: (N, 4), XYXY in whole cells, the last ones not included.
        size: (h, w).
    """
    first, extent = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None].clamp(min=1)
    places = torch.arange(max(size), device=boxes.device)[:, None]
    along = (places - first + 0.5) / extent  # (N, most, 2), x and y
    inside = (along > 0) & (along < 1)
    x, y = along[:, : size[1], 0], along[:, : size[0], 1]
    grid = torch.stack(
        (x[:, None].expand(-1, size[0], -1), y[:, :, None].expand(-1, -1, size[1])), dim=3
    )
    maps = F.grid_sample(squares, 2 * grid - 1, padding_mode="border", align_corners=False)
    return maps * (inside[:, None, : size[0], 1, None] & inside[:, None, None, : size[1], 0])


class _ScaledGradient(torch.autograd.Function):
    """The value itself, with its gradient times a factor."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


class CrossImageSupervision(DiscoBoxSupervision):
    """`DiscoBoxSupervision`, and what like objects of earlier images say.

    Every object has one more prediction. If a bank has enough objects that are like it, its cells
    are to be nearest to the cells of theirs that a vote of neighbours finds, and what their masks
    say goes into its mean field. As in the released code these additional masks train with a
    hundredth of their gradient, and their loss is added to that of the self-training.

    The bank is in the checkpoint, each process's own.

    Args:
        gate, mean_field, channel_order: see `DiscoBoxSupervision`.
        correspondence_gate: of what is described here; it opens no earlier than the other.
        bank: of objects.
        least_side: in pixels; objects are stored that are wider and higher.
        feature_side, mask_side: cells of an object's features and mask.
        gradient: share of the additional masks' gradient.
    """

    needs_central_predictions = True

    def __init__(
        self,
        gate: Gate,
        correspondence_gate: Gate,
        bank: ObjectBank | None = None,
        mean_field: MeanField | None = None,
        channel_order: str = "BGR",
        least_side: float = 128.0,
        feature_side: int = 7,
        mask_side: int = 28,
        gradient: float = 0.01,
    ) -> None:
        super().__init__(gate, mean_field, channel_order)
        self.correspondence_gate = correspondence_gate
        self.bank = bank or ObjectBank()
        self.least_side = least_side
        self.feature_side = feature_side
        self.mask_side = mask_side
        self.gradient = gradient

    def get_extra_state(self) -> dict[str, Any]:
        """The bank, for the checkpoint."""
        return self.bank.state_dict()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        self.bank.load_state_dict(state)

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        terms = super().forward(predictions)
        projection, taught = terms.losses["loss_prj"], terms.losses.get("loss_self_training")
        opened = self.correspondence_gate(predictions.iteration, projection)
        if not opened or taught is None:
            return terms
        additional, correspondence, pairs = self.between_images(predictions)
        losses = {"loss_self_training": taught + additional, "loss_correspondence": correspondence}
        diagnostics = {"correspondence_objects": projection.new_tensor(float(pairs))}
        return LossTerms(terms.losses | losses, terms.diagnostics | diagnostics)

    def between_images(self, predictions: MaskPredictions) -> tuple[Tensor, Tensor, int]:
        """Loss of the additional masks, that of the correspondence, and of how many objects."""
        assert predictions.central is not None  # `refuse_unmet_needs` asks for it
        student = predictions.central()
        teacher = student
        if predictions.teacher_central is not None:
            teacher = predictions.teacher_central()
        inside = box_masks(predictions)
        boxes = tight_boxes(inside)
        images, order = predictions.image_index, student.order
        classes = torch.cat([o.gt_classes for o in predictions.objects]).to(boxes.device)
        own, remembered = (
            self.as_stored(of, boxes, images, classes, predictions.stride)
            for of in (student, teacher)
        )
        large = ((boxes[:, 2:] - boxes[:, :2]) * predictions.stride > self.least_side).all(dim=1)
        matched, found = self.bank.exchange(
            own[order].detached(), remembered[order].detached(), large[order]
        )
        matched = order[matched]
        features = found.features.unflatten(0, (len(matched), self.bank.wanted))
        masks = found.masks.unflatten(0, (len(matched), self.bank.wanted))
        cosines = cell_cosines(own.features[matched], features)
        pairs = smoothed(cosines, self.feature_side)
        losses = correspondence_loss(cosines, pairs)
        divisor = shared_divisor(len(matched), 1, boxes.device)
        with torch.no_grad():
            ways = transport(cosines, pairs)
            said = messages(ways, own.masks[matched], masks, self.feature_side)
            told = boxes.new_zeros(len(boxes), 2, *predictions.size)
            told[matched] = put_back(said, boxes[matched], predictions.size)
            start = (student.logits.sigmoid() + teacher.logits.sigmoid()) / 2
            pseudo = self.mean_field(self.kernel(predictions), images, start, inside, told)
        probabilities = _ScaledGradient.apply(student.logits.sigmoid(), self.gradient)
        taught = self_training_loss(probabilities, inside, pseudo)
        additional = taught.sum() / shared_divisor(len(taught), 1, boxes.device)
        return additional, losses.sum() / divisor, len(matched)

    def as_stored(
        self,
        predicted: CentralPredictions,
        boxes: Tensor,
        images: Tensor,
        classes: Tensor,
        stride: int,
    ) -> StoredObjects:
        """All objects as they would be stored, with gradient.

        Args:
            predicted: of a network.
            boxes: (N, 4), XYXY in cells of the masks.
            images, classes: int64 (N,).
            stride: of the masks, in pixels.
        """
        scale = stride / predicted.feature_stride
        features = cut_out(predicted.features, boxes, images, scale, self.feature_side)
        each = torch.arange(len(boxes), device=boxes.device)
        probabilities = predicted.logits.sigmoid()[:, None]
        masks = cut_out(probabilities, boxes, each, 1.0, self.mask_side)[:, 0]
        return StoredObjects(unit_features(features), masks, boxes, classes)
