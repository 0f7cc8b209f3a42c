"""CondInst: FCOS, a mask branch, and a mask head of its own for every object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from detectron2.modeling import Backbone
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from boxseg.backbones.fast_convolutions import fast_convolutions, may_be_faster
from boxseg.condinst.controller import Controller
from boxseg.condinst.dynamic_mask_head import DynamicMaskHead
from boxseg.condinst.fcos import FCOS, Candidates, Positives
from boxseg.condinst.fcos_head import HeadOutputs
from boxseg.condinst.mask_branch import MaskBranch
from boxseg.condinst.positives import PositiveSampler
from boxseg.condinst.semantic_head import SemanticHead
from boxseg.full_size_masks import Rescoring, full_size_masks
from boxseg.input_images import normalised, zero_padded
from boxseg.mask_losses import LossTerms, MaskLoss
from boxseg.pseudo_labels import ObjectPredictions, TeacherInternals, TeacherPredictions
from boxseg.segmenter import Segmenter


@dataclass(frozen=True)
class Features:
    """What the network computes of a batch before any object is chosen.

    Attributes:
        pyramid: by level name, (B, C, H, W).
        outputs: of the detector's head.
        mask_features: (B, C, H, W).
    """

    pyramid: Mapping[str, Tensor]
    outputs: HeadOutputs
    mask_features: Tensor


class CondInst(Segmenter):
    """Instance segmentation by conditional convolutions, trained by whatever losses it is given.

    Args:
        backbone: with a pyramid (Detectron2's FPN).
        levels: names of the pyramid's levels the detector uses, finest first.
        detector: FCOS.
        mask_branch: mask features.
        mask_head: applies the parameters the controller predicts.
        positive_sampler: chooses the positives that get a mask in training.
        mask_losses: see `Segmenter`.
        channels: of the pyramid.
        pixel_mean, pixel_std: of the input's three channels, for values 0-255.
        semantic_head: optional auxiliary loss; needs true masks.
        rescore: new scores of detections from their full-size masks; the detector's own by default.
    """

    gives_mask_features = True
    gives_object_predictions = True
    class_layers: ClassVar[Mapping[str, int]] = {
        "detector.head.cls_logits": 1,
        "semantic_head.logits": 1,
    }

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        levels: Sequence[str],
        detector: FCOS,
        mask_branch: MaskBranch,
        mask_head: DynamicMaskHead,
        positive_sampler: PositiveSampler,
        mask_losses: Mapping[str, MaskLoss],
        channels: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        semantic_head: SemanticHead | None = None,
        rescore: Rescoring | None = None,
    ) -> None:
        super().__init__(mask_losses)
        self.backbone = backbone
        self.levels = tuple(levels)
        self.detector = detector
        self.mask_branch = mask_branch
        self.mask_head = mask_head
        self.controller = Controller(channels, mask_head.num_parameters)
        self.positive_sampler = positive_sampler
        self.semantic_head = semantic_head
        self.has_slow_convolutions = may_be_faster(self)
        self.rescore = rescore
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], False)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors live."""
        return self.pixel_mean.device

    @property
    def mask_stride(self) -> int:
        """Of the predicted masks, in pixels of the network's input."""
        return self.mask_head.mask_stride

    def batched_images(self, batch: Sequence[Mapping[str, Any]]) -> tuple[Tensor, ImageList]:
        """Raw images, zero-padded to one size, and the network's normalised input."""
        images = [x["image"] for x in batch]
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        raw = self.padded(images)
        return raw, ImageList(normalised(raw, sizes, self.pixel_mean, self.pixel_std), sizes)

    def padded(self, images: Sequence[Tensor]) -> Tensor:
        """Images (3, h, w) zero-padded to one size the pyramid can take: float32 (B, 3, H, W)."""
        return zero_padded(images, max(self.backbone.size_divisibility, 1), self.device)

    def features(self, images: Tensor) -> Features:
        """Everything that does not depend on the objects, from normalised images (B, 3, H, W)."""
        with fast_convolutions(images.device) if self.has_slow_convolutions else nullcontext():
            pyramid = self.backbone(images.contiguous(memory_format=torch.channels_last))
            outputs = self.detector([pyramid[name] for name in self.levels])
            return Features(pyramid, outputs, self.mask_branch(pyramid))

    def masks_at(
        self,
        features: Features,
        cells: Positives | Candidates,
        counts: Sequence[int] | None = None,
    ) -> Tensor:
        """Mask logits of the objects predicted at some cells: float32 (P, h, w).

        Args:
            features: of the batch.
            cells: P of them.
            counts: see `DynamicMaskHead.forward`.
        """
        parameters = self.controller.at(features.outputs.box_features, cells.cells)
        return self.mask_head(
            features.mask_features,
            parameters,
            cells.image_index,
            cells.locations,
            cells.level,
            counts,
        )

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """All training losses of a batch."""
        raw, images = self.batched_images(batch)
        if "unperturbed_image" in batch[0]:
            raw = self.padded([x["unperturbed_image"] for x in batch])
        objects = [x["instances"].to(self.device) for x in batch]
        features = self.features(images.tensor)
        with torch.autocast(self.device.type, enabled=False):
            losses, positives = self.detection_losses(features, objects)
            predictions = self.mask_predictions(
                batch,
                iteration,
                logits=self.masks_at(features, positives),
                object_index=positives.object_index,
                positives=positives,
                objects=objects,
                images=raw,
                image_sizes=images.image_sizes,
                mask_features=features.mask_features,
            )
            terms = self.mask_terms(predictions)
        parts = {"the detector": LossTerms(losses, {}), "the mask losses": terms}
        if self.semantic_head is not None:
            semantic = self.semantic_head.loss(features.pyramid, objects)
            parts["the semantic head"] = LossTerms({"loss_sem": semantic}, {})
        return LossTerms.joined(parts)

    def detection_losses(
        self, features: Features, objects: Sequence[Instances]
    ) -> tuple[dict[str, Tensor], Positives]:
        """The detector's losses, and the positives that get a mask."""
        targets = self.detector.targets(features.outputs, objects)
        losses, positives = self.detector.losses(features.outputs, targets)
        return losses, self.sampled(positives)

    def sampled(self, positives: Positives) -> Positives:
        """The positives that get a mask."""
        keep = self.positive_sampler(
            positives.scores, positives.object_index, positives.image_index
        )
        return positives[keep]

    @torch.no_grad()
    def mask_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Mask features of images; see `Segmenter`."""
        _, inputs = self.batched_images([{"image": image} for image in images])
        channels_last = inputs.tensor.contiguous(memory_format=torch.channels_last)
        return list(self.mask_branch(self.backbone(channels_last)))

    @torch.no_grad()
    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        """Boxes and masks of a batch, at the original images' sizes."""
        _, images = self.batched_images(batch)
        features = self.features(images.tensor)
        candidates, _ = self.detector.candidates(features.outputs)
        survivors = self.detector.surviving(candidates, len(batch))
        counts = [len(of_image) for of_image in survivors]
        logits_of = self.masks_at(features, candidates[torch.cat(survivors)], counts).split(counts)
        found = []
        for x, keep, logits, size in zip(
            batch, survivors, logits_of, images.image_sizes, strict=True
        ):
            kept = candidates[keep]
            original = (int(x.get("height", size[0])), int(x.get("width", size[1])))
            found.append({"instances": self.at_original_size(kept, logits, size, original)})
        return found

    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> TeacherPredictions:
        """Predictions as a teacher, before suppression; see `Segmenter`."""
        _, inputs = self.batched_images([{"image": image} for image in images])
        features = self.features(inputs.tensor)
        candidates, counts = self.detector.candidates(features.outputs)
        return TeacherPredictions(
            boxes=candidates.boxes,
            scores=candidates.scores,
            classes=candidates.classes,
            counts=counts,
            image_sizes=[(image.shape[1], image.shape[2]) for image in images],
            original_scales=[
                original / image.shape[1]
                for image, original in zip(images, original_heights, strict=True)
            ],
            mask_stride=self.mask_stride,
            masks_of=partial(self._probabilities, features, candidates),
            suppressed=partial(self.detector.surviving, candidates, len(images)),
            internals=TeacherInternals(
                mask_features=features.mask_features,
                at_objects=partial(self._at_objects, features),
                at_positives=partial(self._at_positives, features),
            ),
        )

    def _probabilities(
        self, features: Features, candidates: Candidates, indices: Tensor, counts: Sequence[int]
    ) -> Tensor:
        """Masks (n, h, w) of some candidates, so many of each image."""
        chosen = candidates[indices]
        return self.masks_at(features, chosen, counts).sigmoid()

    def _at_objects(self, features: Features, objects: Sequence[Instances]) -> ObjectPredictions:
        """What is predicted at the cells that training assigns to the objects."""
        targets = self.detector.targets(features.outputs, objects)
        positives = self.sampled(self.detector.positives(features.outputs, targets))
        return ObjectPredictions(
            probabilities=self.masks_at(features, positives).sigmoid(),
            scores=self.detector.classification.scores(positives.scores),
            object_index=positives.object_index,
        )

    @torch.no_grad()
    def _at_positives(self, features: Features, positives: Positives, stride: int) -> Tensor:
        """Masks at another network's positives; see `TeacherInternals`."""
        assert stride == self.mask_stride
        with torch.autocast(self.device.type, enabled=False):
            return self.masks_at(features, positives).sigmoid()

    def at_original_size(
        self, kept: Candidates, logits: Tensor, size: tuple[int, int], original: tuple[int, int]
    ) -> Instances:
        """Detections with boxes clipped and masks binarised at the original image's size.

        Args:
            kept: detections of one image.
            logits: (K, h, w), their masks at the masks' stride.
            size: (height, width) of the network's input without padding.
            original: (height, width) of the original image.
        """
        boxes = Boxes(kept.boxes.clone())
        boxes.scale(original[1] / size[1], original[0] / size[0])
        boxes.clip(original)
        visible = boxes.nonempty()
        detections = Instances(original)
        detections.pred_boxes = boxes[visible]
        detections.pred_classes = kept.classes[visible]
        detections.locations = kept.locations[visible]
        detections.levels = kept.level[visible]
        detections.pred_masks, detections.scores = full_size_masks(
            logits[visible].sigmoid(),
            kept.scores[visible],
            self.mask_head.mask_stride,
            size,
            original,
            self.rescore,
        )
        return detections
