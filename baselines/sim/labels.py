"""SIM's pseudo masks: the instance map corrected by the semantic map of class prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances
from torch import Tensor

from baselines.sim.prototypes import Prototypes, unit_features
from boxseg.box_masks import box_masks
from boxseg.errors import InputError
from boxseg.pseudo_labels import (
    PseudoLabeller,
    PseudoMasks,
    TeacherPredictions,
    boxes_of,
    classes_of,
)
from boxseg.ragged import image_index


@dataclass(frozen=True)
class CorrectedMaps:
    """Self-corrected maps of N objects.

    Attributes:
        probabilities: float32 (N, h, w), half the instance map, half the semantic map's sigmoid.
        thresholds: float32 (N,), foreground is above them.
        regions: bool (N, h, w), where the instance map is sure of the object, inside its box.
    """

    probabilities: Tensor
    thresholds: Tensor
    regions: Tensor


@dataclass(frozen=True)
class SelfCorrection:
    """Combines what is seen of an object with what its class looks like.

    The threshold of an object's mask is the value that as many pixels of the combined map exceed,
    inside the box, as the instance map is sure of; but within limits.

    Attributes:
        region_threshold: the instance map is sure above it.
        lowest, highest: limits of an object's threshold.
    """

    region_threshold: float = 0.7
    lowest: float = 0.7
    highest: float = 0.8

    def __call__(self, instance: Tensor, semantic: Tensor, boxes: Tensor) -> CorrectedMaps:
        """Correct the maps of N objects.

        Args:
            instance: (N, h, w), in [0, 1].
            semantic: (N, h, w), greatest similarity with the prototypes of the object's class.
            boxes: bool (N, h, w), box masks.
        """
        regions = (instance > self.region_threshold) & boxes
        combined = 0.5 * semantic.sigmoid() + 0.5 * instance
        ranked = (combined * boxes).flatten(1).sort(dim=1, descending=True).values
        place = regions.flatten(1).sum(dim=1).clamp(max=ranked.shape[1] - 1)
        thresholds = ranked.gather(1, place[:, None])[:, 0].clamp(self.lowest, self.highest)
        return CorrectedMaps(combined, thresholds, regions)


def mean_maps(maps: Tensor, object_index: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Mean of each object's maps, (P, h, w) to (N, h, w), and how many it has, int64 (N,).

    Objects without a map get zeros.
    """
    # `bincount` would look for the greatest index first, for which a host waits.
    counts = object_index.new_zeros(objects).index_add_(
        0, object_index, torch.ones_like(object_index)
    )
    sums = maps.new_zeros(objects, *maps.shape[1:]).index_add_(0, object_index, maps)
    return sums / counts.clamp(min=1)[:, None, None], counts


class SemanticLabeller(PseudoLabeller):
    """SIM's pseudo labeller; in training mode its prototypes learn from what it labels.

    The instance map of an object is the mean of the masks that the teacher predicts at the cells
    assigned to the object, the semantic map the greatest similarity of each pixel with its class's
    prototypes, both of the teacher's features. (The released code learns the prototypes from the
    student's features; `baselines.sim.released_step`.) Pixels between an object's threshold and
    `background_threshold` are unsure, and teach nothing.

    SIM trusts all masks alike, so losses weigh none by quality (`equal_weights`); the quality, the
    mean of the instance map over the mask, ranks objects for copy-pastes.

    Args:
        prototypes: of the classes.
        correction: of the instance maps.
        background_threshold: background is below it.
    """

    equal_weights = True
    needs_object_predictions = True
    needs_mask_features = True

    def __init__(
        self,
        prototypes: Prototypes,
        correction: SelfCorrection | None = None,
        background_threshold: float = 0.4,
    ) -> None:
        super().__init__()
        self.prototypes = prototypes
        self.correction = correction or SelfCorrection()
        self.background_threshold = background_threshold

    def synchronise(self) -> None:
        """Share what the prototypes have learned with the other processes."""
        self.prototypes.synchronise()

    @torch.no_grad()
    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        """Label the images of a batch; see `PseudoLabeller`.

        Raises:
            InputError: the teacher gives no mask features and no predictions for objects.
        """
        internals = predictions.internals
        if internals is None:
            raise InputError(
                "pseudo_labels=sim needs a teacher that gives mask features and masks at the cells "
                "assigned to an object, and this one does not; choose another labeller."
            )
        found = internals.at_objects(objects)
        device = found.probabilities.device
        classes, boxes = classes_of(objects, device), boxes_of(objects, device)
        here = [len(of_image) for of_image in objects]
        height, width = found.probabilities.shape[1:]
        instance, counts = mean_maps(found.probabilities.float(), found.object_index, len(boxes))
        scores, _ = mean_maps(found.scores[:, None, None], found.object_index, len(boxes))
        features = unit_features(internals.mask_features, (height, width))
        with torch.autocast(device.type, enabled=False):  # Sinkhorn multiplies differences by 20
            similarities = self.prototypes.similarities(features, classes, here)
        inside = box_masks(boxes, predictions.mask_stride, height, width)
        corrected = self.correction(instance, similarities.amax(dim=1), inside)
        if self.training:
            images = image_index(here, device)
            self.prototypes.learn(features, similarities, corrected.regions, classes, images)
        masks = (corrected.probabilities > corrected.thresholds[:, None, None]) & inside
        masks &= counts[:, None, None] > 0
        areas = masks.flatten(1).sum(dim=1)
        valid = areas > 0
        quality = (instance * masks).flatten(1).sum(dim=1) / areas.clamp(min=1)
        return PseudoMasks(
            probabilities=corrected.probabilities * valid[:, None, None],
            threshold=corrected.thresholds,
            masks=masks,
            quality=quality.clamp(max=1),
            scores=torch.where(valid, scores[:, 0, 0], 0.0),
            valid=valid,
            candidates=counts,
            background_threshold=self.background_threshold,
        )
