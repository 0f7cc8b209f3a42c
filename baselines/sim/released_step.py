"""SIM's training step in the order and with the departures of the released code.

The suite's own SIM is `boxseg.teacher_student.TeacherStudent` with a `SemanticLabeller`.
Here, as in the released code, both networks see the image after the paste, labels are made of the
very positives that are taught, and:

- the slow network starts untrained and not as a copy, and its average has no warm-up;
- the slow detector and controller read the student's pyramid, the slow mask branch its own;
- prototypes are assigned by the slow features and move towards the student's, and a pixel counts
  once for every positive;
- the slow network normalises by batch statistics, its buffers are copies of the student's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from baselines.sim.labels import SelfCorrection, mean_maps
from baselines.sim.prototypes import Prototypes, unit_features
from baselines.sim.released import VisibleAreaSupervision
from baselines.sim.released_copy_paste import ReleasedImageCopyPaste
from boxseg.box_masks import box_masks
from boxseg.condinst import CondInst
from boxseg.condinst.fcos import Positives
from boxseg.condinst.model import Features
from boxseg.ema import update_ema_parameters
from boxseg.fine_tuning import FineTunable
from boxseg.mask_losses import LossTerms, MaskPredictions, PseudoTargets


class ReleasedSIM(FineTunable):
    """The released SIM; what it declares is explained in `boxseg.segmenter.Segmenter`.

    Args:
        student: the network that is trained and tested; its box supervision is
            `VisibleAreaSupervision`.
        slow: the slow network, of the same architecture.
        prototypes: of the classes.
        copy_paste: its own.
        correction: of the instance maps.
        background_threshold: background is below it.
        momentum: share of itself that the slow network keeps.
        start_iterations: before labels teach and images are remembered.
    """

    def __init__(
        self,
        student: CondInst,
        slow: CondInst,
        prototypes: Prototypes,
        copy_paste: ReleasedImageCopyPaste | None = None,
        correction: SelfCorrection | None = None,
        background_threshold: float = 0.4,
        momentum: float = 0.9999,
        start_iterations: int = 10_000,
    ) -> None:
        super().__init__()
        self.student = student
        self.slow = slow.requires_grad_(False)
        self.prototypes = prototypes
        self.copy_paste = copy_paste
        self.correction = correction or SelfCorrection()
        self.background_threshold = background_threshold
        self.momentum = momentum
        self.start_iterations = start_iterations

    @property
    def device(self) -> torch.device:
        """Where the models' tensors live."""
        return self.student.device

    @property
    def networks(self) -> tuple[FineTunable, ...]:
        """The student, which is tested, and the slow network."""
        return self.student, self.slow

    def before_step(self, iteration: int) -> None:
        """Share what the prototypes have learned with the other processes."""
        self.prototypes.synchronise()

    def get_extra_state(self) -> dict[str, Any]:
        """The copy-paste's memory and generator, for the checkpoint."""
        return {} if self.copy_paste is None else self.copy_paste.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        if self.copy_paste is not None:
            self.copy_paste.load_state_dict(state)

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses in training mode, detections of the student in evaluation mode."""
        if not self.training:
            return self.student.detect(batch)
        if iteration is None:
            raise ValueError("training needs the iteration")
        items = [dict(x) for x in batch]
        if self.copy_paste is not None:
            items = self.copy_paste(items, self.student.backbone.size_divisibility)
        terms = self.losses(items, iteration)
        update_ema_parameters(self.slow, self.student, self.momentum)
        for ours, theirs in zip(self.slow.buffers(), self.student.buffers(), strict=True):
            ours.copy_(theirs)
        return terms

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """All losses of a batch pasted upon, or not."""
        student = self.student
        raw, images = student.batched_images(batch)
        objects = [x["instances"].to(self.device) for x in batch]
        features = student.features(images.tensor)
        with torch.no_grad():
            outputs = self.slow.detector([features.pyramid[name] for name in self.slow.levels])
            pyramid = self.slow.backbone(images.tensor)
            slow = Features(pyramid, outputs, self.slow.mask_branch(pyramid))
        with torch.autocast(self.device.type, enabled=False):
            losses, positives = student.detection_losses(features, objects)
            predictions = MaskPredictions(
                logits=student.masks_at(features, positives),
                object_index=positives.object_index,
                objects=objects,
                images=raw,
                image_sizes=[
                    x.get("unpadded_size", size)
                    for x, size in zip(batch, images.image_sizes, strict=True)
                ],
                original_heights=[int(x["height"]) for x in batch],
                stride=student.mask_stride,
                iteration=iteration,
                mask_features=features.mask_features,
                teacher_features=slow.mask_features,
            )
            pseudo, instance = self.label(predictions, positives, features, slow)
            terms = student.mask_terms(replace(predictions, pseudo=pseudo))
        if iteration > self.start_iterations and self.copy_paste is not None:
            self.copy_paste.remember(raw, objects, instance)
        return LossTerms.joined({"the detector": LossTerms(losses, {}), "the mask losses": terms})

    @torch.no_grad()
    def label(
        self, predictions: MaskPredictions, positives: Positives, features: Features, slow: Features
    ) -> tuple[PseudoTargets, Tensor]:
        """Make pseudo masks of the objects, and teach the prototypes.

        Returns:
            What the pseudo masks ask for, and float32 (N, h, w), the instance maps.
        """
        objects = predictions.objects
        size = predictions.size
        masks = self.slow.masks_at(slow, positives).sigmoid()
        counts = [len(o) for o in objects]
        instance, found = mean_maps(masks, positives.object_index, sum(counts))
        units = unit_features(slow.mask_features, size)
        classes = torch.cat([o.gt_classes for o in objects])
        similarities = self.prototypes.similarities(units, classes, counts)
        areas, _, _ = VisibleAreaSupervision().areas(predictions)
        corrected = self.correction(instance, similarities.amax(dim=1), areas)
        maps, thresholds = corrected.probabilities, corrected.thresholds[:, None, None]
        wanted = (maps > thresholds) & areas
        boxes = torch.cat([o.gt_boxes.tensor for o in objects])
        inside = box_masks(boxes, predictions.stride, *size)
        valid = found > 0
        pseudo = PseudoTargets(
            masks=wanted & inside,
            boxes=inside,
            quality=valid.float(),
            valid=valid,
            pasted=torch.cat(
                [o.pasted if o.has("pasted") else torch.zeros(len(o)).bool() for o in objects]
            ).to(maps.device),
            unsure=~wanted & ~((maps < self.background_threshold) & areas) & inside,
        )
        rows = positives.object_index
        taught = unit_features(features.mask_features, size)
        self.prototypes.learn(
            taught,
            similarities[rows],
            corrected.regions[rows],
            classes[rows],
            positives.image_index,
        )
        return pseudo, instance
