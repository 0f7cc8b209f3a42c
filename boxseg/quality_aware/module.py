"""The Quality-Aware Module: ranking, fusion and scoring as one pseudo labeller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.box_masks import box_masks
from boxseg.errors import InputError
from boxseg.pseudo_labels import (
    PseudoLabeller,
    PseudoMasks,
    TeacherPredictions,
    boxes_of,
    classes_of,
)
from boxseg.quality_aware.candidate_boxes import CandidateBoxes, DistinctBoxes
from boxseg.quality_aware.fusion import MaskFusion, WeightedFusion, candidate_agreement
from boxseg.quality_aware.ranking import (
    AdaptiveTopK,
    CandidateCount,
    CandidateFilter,
    EveryCandidate,
    RankedCandidates,
    greatest,
    ranked_by_overlap,
)
from boxseg.quality_aware.scoring import BoxAndPixelQuality, MaskScoring
from boxseg.ragged import image_index, padded_places


class QualityAwareModule(PseudoLabeller):
    """Pseudo masks from several of a teacher's predictions per object (section 3.3).

    An object has a pseudo mask where its quality is above 0: where a candidate has a say in the
    fusion and the scoring finds a pixel to trust.

    In evaluation mode it tells besides how far an object's candidates agree with one another.

    With `BestCandidate` and `EqualQuality` it is the ranking alone (table 4, BQR); with
    `WeightedFusion` and `EqualQuality`, ranking and fusion (BQR + QMF); as it comes, all three (BQR
    + QMF + MQS). `boxseg.quality_aware.released` has the parts of the released code.

    Args:
        candidate_count: how many candidates an object gets, by its area.
        candidate_filter: which of them remain.
        fusion: of their masks.
        scoring: of the fused mask.
        mask_threshold: foreground are the pixels of the fused mask above it, in [0, 1).
        max_masks_per_chunk: candidates' masks held at a time (twice, while they are gathered); at
            least those of one object are.
        candidate_boxes: which predictions are ranked, unless they are `distinct`: then all are.

    Raises:
        InputError: `max_masks_per_chunk` below 1.
    """

    def __init__(
        self,
        candidate_count: CandidateCount | None = None,
        candidate_filter: CandidateFilter | None = None,
        fusion: MaskFusion | None = None,
        scoring: MaskScoring | None = None,
        mask_threshold: float = 0.5,
        max_masks_per_chunk: int = 128,
        candidate_boxes: CandidateBoxes | None = None,
    ) -> None:
        super().__init__()
        if max_masks_per_chunk < 1:
            raise InputError(
                f"max_masks_per_chunk is {max_masks_per_chunk}, but at least one mask has to be "
                "held at a time; raise it to 1 or more."
            )
        self.candidate_count = candidate_count or AdaptiveTopK()
        self.candidate_filter = candidate_filter or EveryCandidate()
        self.fusion = fusion or WeightedFusion()
        self.scoring = scoring or BoxAndPixelQuality()
        self.mask_threshold = mask_threshold
        self.max_masks_per_chunk = max_masks_per_chunk
        self.candidate_boxes = candidate_boxes or DistinctBoxes()

    def rank(
        self, predictions: TeacherPredictions, objects: Sequence[Instances]
    ) -> RankedCandidates:
        """Candidates of the images' objects, valid where the fusion uses them.

        Args:
            predictions: of the teacher.
            objects: per image, N in all, with `gt_boxes` and `gt_classes` in the frame of the
                predictions.
        """
        device = predictions.device
        boxes = boxes_of(objects, device).to(predictions.boxes.dtype)
        image = image_index([len(of_image) for of_image in objects], device)
        scales = torch.tensor(predictions.original_scales).to(device, non_blocking=True)
        sides = (boxes[:, 2:] - boxes[:, :2]).float() * scales[image][:, None]
        limits = self.candidate_count(sides.prod(dim=1))
        pool = torch.ones_like(predictions.classes, dtype=torch.bool)
        if not predictions.distinct:
            pool = self.candidate_boxes(
                predictions.boxes, predictions.scores, predictions.image_index
            )
        places, own = padded_places(predictions.counts, device)
        if len(pool):
            own = own & pool[places]
            places, own = self.candidate_boxes.in_order(places, own, predictions.scores)
        indices, ious, valid = ranked_by_overlap(
            predictions.boxes, boxes, places[image], own[image], limits, greatest(limits)
        )
        scores = torch.zeros_like(ious, dtype=predictions.scores.dtype)
        same_class = torch.zeros_like(valid)
        if len(pool):
            scores = torch.where(valid, predictions.scores[indices], 0.0)
            classes = classes_of(objects, device)[:, None]
            same_class = valid & (predictions.classes[indices] == classes)
        ranked = RankedCandidates(indices, ious, scores, same_class, valid)
        ranked = replace(ranked, valid=self.candidate_filter(ranked))
        return replace(ranked, valid=self.fusion.uses(ranked))

    @torch.no_grad()
    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        """Label the images of a batch; see `PseudoLabeller`."""
        ranked = self.rank(predictions, objects)
        boxes = boxes_of(objects, predictions.device)
        chunks = [
            self._label(predictions, ranked[part], boxes[part], pairs, counts)
            for part, pairs, counts in self._chunks(ranked, [len(o) for o in objects])
        ]
        fused, masks, quality, agreement = map(torch.cat, zip(*chunks, strict=True))
        valid = quality > 0
        count = ranked.valid.sum(dim=1)
        mean_scores = (ranked.box_scores * ranked.valid).sum(dim=1) / count.clamp(min=1)
        return PseudoMasks(
            probabilities=fused * valid[:, None, None],
            threshold=self.mask_threshold,
            masks=masks,
            quality=quality,
            scores=mean_scores,
            valid=valid,
            candidates=count,
            agreement=agreement,
        )

    def _chunks(
        self, ranked: RankedCandidates, objects: Sequence[int]
    ) -> Iterator[tuple[slice, Tensor, list[int]]]:
        """Objects whose candidates' masks are made at a time, where these are, and of which images.

        The places are int64 (n,) in the chunk's (objects, K), one row after the other. No objects
        are one chunk of none, so that the shapes still come out right.

        Args:
            ranked: of N objects.
            objects: per image, how many of the N are its own.
        """
        count, columns = ranked.valid.shape
        step = max(self.max_masks_per_chunk // max(columns, 1), 1)
        # What is valid is looked up once for all chunks, as the host waits for it.
        pairs = ranked.valid.flatten().nonzero()[:, 0]
        candidates = np.asarray(ranked.valid.sum(dim=1).tolist(), dtype=np.int64)
        image = np.repeat(np.arange(len(objects)), objects)
        before = np.concatenate(([0], candidates.cumsum()))
        for first in range(0, max(count, 1), step):
            part = slice(first, min(first + step, count))
            here = np.zeros(len(objects), dtype=np.int64)
            np.add.at(here, image[part], candidates[part])
            places = pairs[before[part.start] : before[part.stop]] - first * columns
            yield part, places, here.tolist()

    def _label(
        self,
        predictions: TeacherPredictions,
        ranked: RankedCandidates,
        boxes: Tensor,
        pairs: Tensor,
        counts: Sequence[int],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Fused masks (n, H, W), the same binary inside the boxes, quality and agreement (n,)."""
        probabilities = predictions.masks_of(ranked.indices.flatten()[pairs], counts)
        height, width = probabilities.shape[1:]
        masks = probabilities.new_zeros((ranked.valid.numel(), height, width))
        masks = masks.index_copy_(0, pairs, probabilities)
        masks = masks.reshape(*ranked.valid.shape, height, width)
        fused = self.fusion(masks, ranked)
        inside = box_masks(boxes, predictions.mask_stride, height, width)
        quality = self.scoring(fused, masks, ranked, inside)
        binary = (fused > self.mask_threshold) & inside & (quality > 0)[:, None, None]
        if self.training:  # a step has no use for it
            return fused, binary, quality, torch.full_like(quality, torch.nan)
        agreement = candidate_agreement(masks, ranked.valid, inside, self.mask_threshold)
        return fused, binary, quality, agreement
