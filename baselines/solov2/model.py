"""SOLOv2: instance segmentation without boxes, by kernels that the cells of grids predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from detectron2.modeling import Backbone
from detectron2.structures import ImageList, Instances
from torch import Tensor

from baselines.solov2.candidates import CandidateSelection, detections_of
from baselines.solov2.head import Features, MaskFeatures, SOLOv2Head
from baselines.solov2.mask_grid import MaskGrid
from baselines.solov2.targets import BestCells, CellTargets, CentralCells
from boxseg.aligned_upsample import aligned_upsample
from boxseg.backbones.fast_convolutions import fast_convolutions, may_be_faster
from boxseg.condinst.fcos_losses import focal_loss
from boxseg.condinst.positives import PositiveSampler
from boxseg.engine.distributed import shared_divisor
from boxseg.full_size_masks import Upsampling, full_size_masks
from boxseg.input_images import normalised, zero_padded
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions
from boxseg.pseudo_labels import (
    CentralPredictions,
    ObjectPredictions,
    TeacherInternals,
    TeacherPredictions,
)
from boxseg.ragged import counts_of
from boxseg.segmenter import Segmenter


class SOLOv2(Segmenter):
    """SOLOv2 as DiscoBox and Box2Mask have it, trained by whatever losses on masks it is given.

    Their variants differ in `assign`, in head and mask features, and in `mask_strides`. Of the
    network's own there is one loss, of the classes.

    A teacher proposes the classes of cells before suppression. Their score is the probability of
    the class, and their box that of the mask.

    Args:
        backbone: with a pyramid (Detectron2's FPN).
        levels: names of the pyramid's levels that have a grid, finest first.
        mask_levels: names of those that mask features are made of, finest first.
        head: of the grids.
        mask_branch: mask features.
        assign: targets.
        selection: of candidates and detections.
        object_centers: the point of an object that its cells lie around.
        mask_feature_stride: of the mask features, in pixels.
        mask_strides: per level, of the masks that the losses see; Box2Mask has coarser ones for
            coarser levels. The finest is that of all masks otherwise.
        mask_losses: see `Segmenter`.
        pixel_mean, pixel_std: of the input's three channels, for values 0-255.
        positive_sampler: chooses the positives whose masks the losses see; by default all.
        upsample: masks to the pixels of the input. The suite's own keeps its convention of which
            pixel a cell stands for; bilinear resizing, as in published code, is half a pixel off.
    """

    gives_mask_features = True
    gives_object_predictions = True
    gives_central_predictions = True
    class_layers: ClassVar[Mapping[str, int]] = {"head.classes": 1}

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        levels: Sequence[str],
        mask_levels: Sequence[str],
        head: SOLOv2Head,
        mask_branch: MaskFeatures,
        assign: CentralCells,
        selection: CandidateSelection,
        object_centers: Callable[[Instances], Tensor],
        mask_feature_stride: int,
        mask_strides: Sequence[int],
        mask_losses: Mapping[str, MaskLoss],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        positive_sampler: PositiveSampler | None = None,
        upsample: Upsampling = aligned_upsample,
    ) -> None:
        super().__init__(mask_losses)
        self.backbone = backbone
        self.levels = tuple(levels)
        self.mask_levels = tuple(mask_levels)
        self.head = head
        self.mask_branch = mask_branch
        self.assign = assign
        self.selection = selection
        self.object_centers = object_centers
        self.mask_feature_stride = mask_feature_stride
        self.mask_strides = tuple(mask_strides)
        self.positive_sampler = positive_sampler
        self.upsample = upsample
        self.has_slow_convolutions = may_be_faster(self)
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], False)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors live."""
        return self.pixel_mean.device

    @property
    def mask_stride(self) -> int:
        """Of the predicted masks, in pixels of the network's input."""
        return min(self.mask_strides)

    def batched_images(self, images: Sequence[Tensor]) -> tuple[Tensor, ImageList]:
        """Raw images, zero-padded to one size, and the network's normalised input."""
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
            outputs = self.head([pyramid[name] for name in self.levels])
            mask_features = self.mask_branch([pyramid[name] for name in self.mask_levels])
        size = images.shape[2], images.shape[3]
        return Features(outputs, mask_features, pyramid[self.mask_levels[0]], size)

    def grid(self, features: Features, stride: int | None = None) -> MaskGrid:
        """Masks at a stride, by default the finest of them."""
        stride = stride or self.mask_stride
        return MaskGrid(features.mask_features, self.mask_feature_stride, stride)

    def targets(self, features: Features, objects: Sequence[Instances]) -> CellTargets:
        """Targets of every cell, and the positives that get a mask, with their scores."""
        centers = [self.object_centers(of_image) for of_image in objects]
        targets = self.assign(objects, centers, features.size)
        likely = features.outputs.logits.detach().amax(dim=1).sigmoid()
        return replace(targets, scores=likely[targets.image_index, targets.cells])

    def sampled(self, targets: CellTargets) -> CellTargets:
        """The same targets with the positives that get a mask."""
        if self.positive_sampler is None:
            return targets
        keep = self.positive_sampler(targets.scores, targets.object_index, targets.image_index)
        return targets[keep.sort().values]

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """All training losses of a batch."""
        raw, images = self.batched_images([x["image"] for x in batch])
        if "unperturbed_image" in batch[0]:
            raw = self.padded([x["unperturbed_image"] for x in batch])
        objects = [x["instances"].to(self.device) for x in batch]
        features = self.features(images.tensor)
        with torch.autocast(self.device.type, enabled=False):
            targets = self.targets(features, objects)
            given = partial(
                self.mask_predictions,
                batch,
                iteration,
                objects=objects,
                images=raw,
                image_sizes=images.image_sizes,
                mask_features=features.mask_features,
                central=partial(self._central, features, objects),
            )
            parts = {
                "the classes": LossTerms({"loss_cls": self.class_loss(features, targets)}, {}),
                "the mask losses": self.terms_by_stride(features, self.sampled(targets), given),
            }
        return LossTerms.joined(parts)

    def class_loss(self, features: Features, targets: CellTargets) -> Tensor:
        """Focal loss over all cells and classes, per cell that has an object and one more."""
        logits = features.outputs.logits.transpose(1, 2).flatten(0, 1)
        labels = targets.labels.flatten()
        taken = (labels < logits.shape[1]).sum(dtype=logits.dtype)
        return focal_loss(logits, labels) / shared_divisor(taken + 1, 1)

    def terms_by_stride(
        self,
        features: Features,
        positives: CellTargets,
        given: Callable[..., MaskPredictions],
    ) -> LossTerms:
        """All terms of the mask loss, a mean over the positives of all strides.

        Masks of one stride are given to the losses at a time, and their terms weigh as many as they
        are.

        Args:
            features: of the batch.
            positives: that get a mask.
            given: completes what the losses are given, from logits, their objects and stride.
        """
        strides = sorted(set(self.mask_strides))
        if len(strides) == 1:
            return self.mask_terms(self._masks_for_losses(features, positives, strides[0], given))
        stride_of_level = torch.tensor(self.mask_strides).to(self.device, non_blocking=True)
        stride = stride_of_level[positives.level]
        whole = shared_divisor(len(positives), 1, self.device)
        losses: dict[str, Tensor] = {}
        diagnostics: dict[str, Tensor] = {}
        for one in strides:
            some = positives[(stride == one).nonzero().squeeze(1)]
            share = shared_divisor(len(some), 0, self.device) / whole
            terms = self.mask_terms(self._masks_for_losses(features, some, one, given))
            for total, values in ((losses, terms.losses), (diagnostics, terms.diagnostics)):
                for name, value in values.items():
                    total[name] = total.get(name, 0.0) + share * value
        return LossTerms(losses, diagnostics)

    def _masks_for_losses(
        self,
        features: Features,
        positives: CellTargets,
        stride: int,
        given: Callable[..., MaskPredictions],
    ) -> MaskPredictions:
        return given(
            logits=self.masks_of(features, positives, stride),
            object_index=positives.object_index,
            positives=positives,
            stride=stride,
        )

    def masks_of(
        self, features: Features, positives: CellTargets, stride: int | None = None
    ) -> Tensor:
        """Mask logits of positives: float32 (P, h, w) at a stride, by default the finest."""
        counts = counts_of(positives.image_index, len(features.mask_features))
        return self.grid(features, stride).masks(features.outputs.kernels, positives.cells, counts)

    @torch.no_grad()
    def mask_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Mask features of images; see `Segmenter`."""
        _, inputs = self.batched_images(images)
        pyramid = self.backbone(inputs.tensor.contiguous(memory_format=torch.channels_last))
        return list(self.mask_branch([pyramid[name] for name in self.mask_levels]))

    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> TeacherPredictions:
        """Predictions as a teacher, before suppression; see `Segmenter`."""
        _, inputs = self.batched_images(images)
        features = self.features(inputs.tensor)
        grid = self.grid(features)
        found = self.selection.candidates(features.outputs, grid, inputs.image_sizes)
        kernels = features.outputs.kernels

        def probabilities(indices: Tensor, counts: Sequence[int]) -> Tensor:
            return grid.masks(kernels, found.cells[indices], counts).sigmoid()

        def suppressed() -> list[Tensor]:
            return self.selection.surviving(found, kernels, grid).indices

        return TeacherPredictions(
            boxes=found.boxes,
            scores=found.scores,
            classes=found.classes,
            counts=found.counts,
            image_sizes=inputs.image_sizes,
            original_scales=[
                original / image.shape[1]
                for image, original in zip(images, original_heights, strict=True)
            ],
            mask_stride=self.mask_stride,
            masks_of=probabilities,
            suppressed=suppressed,
            internals=TeacherInternals(
                mask_features=features.mask_features,
                at_objects=partial(self._at_objects, features),
                at_positives=partial(self._at_positives, features),
                central=torch.no_grad()(partial(self._central, features)),
            ),
        )

    def _at_objects(self, features: Features, objects: Sequence[Instances]) -> ObjectPredictions:
        """What is predicted at the cells that training assigns to the objects."""
        positives = self.sampled(self.targets(features, objects))
        return ObjectPredictions(
            probabilities=self.masks_of(features, positives).sigmoid(),
            scores=positives.scores,
            object_index=positives.object_index,
        )

    @torch.no_grad()
    def _at_positives(self, features: Features, positives: CellTargets, stride: int) -> Tensor:
        """Masks at another network's positives; see `TeacherInternals`."""
        with torch.autocast(self.device.type, enabled=False):
            return self.masks_of(features, positives, stride).sigmoid()

    def _central(self, features: Features, objects: Sequence[Instances]) -> CentralPredictions:
        """One prediction for every object; see `BestCells`."""
        best = BestCells(self.assign.num_grids, self.assign.scale_ranges, self.assign.num_classes)
        centers = [self.object_centers(of_image) for of_image in objects]
        targets = best(objects, centers, features.size)
        with torch.autocast(self.device.type, enabled=False):
            logits = self.masks_of(features, targets)
        return CentralPredictions(
            logits=logits,
            order=targets.level.argsort(stable=True),
            features=features.finest,
            feature_stride=self.mask_feature_stride,
        )

    @torch.no_grad()
    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        """Masks of a batch and their boxes, at the original images' sizes."""
        _, inputs = self.batched_images([x["image"] for x in batch])
        features = self.features(inputs.tensor)
        grid, kernels = self.grid(features), features.outputs.kernels
        found = self.selection.candidates(features.outputs, grid, inputs.image_sizes)
        kept = self.selection.surviving(found, kernels, grid)
        counts = [len(of_image) for of_image in kept.indices]
        cells = found.cells[torch.cat(kept.indices)]
        masks = grid.masks(kernels, cells, counts).sigmoid().split(counts)
        detections = []
        for x, indices, scores, probabilities, size in zip(
            batch, kept.indices, kept.scores, masks, inputs.image_sizes, strict=True
        ):
            original = (int(x.get("height", size[0])), int(x.get("width", size[1])))
            sharp, scores = full_size_masks(
                probabilities,
                scores,
                self.mask_stride,
                size,
                original,
                threshold=self.selection.mask_threshold,
                upsample=self.upsample,
            )
            one = detections_of(sharp, scores, found.classes[indices], original)
            detections.append({"instances": one})
        return detections
