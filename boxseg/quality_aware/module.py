"""The Quality-Aware Module: ranking, fusion and scoring as one pseudo labeller."""

from __future__ import annotations

from dataclasses import replace

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.box_masks import box_masks
from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions
from boxseg.quality_aware.candidate_boxes import CandidateBoxes, DistinctBoxes
from boxseg.quality_aware.fusion import MaskFusion, WeightedFusion
from boxseg.quality_aware.ranking import (
    AdaptiveTopK,
    CandidateCount,
    CandidateFilter,
    EveryCandidate,
    RankedCandidates,
    box_quality_ranking,
)
from boxseg.quality_aware.scoring import BoxAndPixelQuality, MaskScoring


class QualityAwareModule(PseudoLabeller):
    """Pseudo masks from several of a teacher's predictions per object (section 3.3).

    An object has a pseudo mask where its quality is above 0: where a candidate has a say in the
    fusion and the scoring finds a pixel to trust.

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
        candidate_boxes: which predictions are ranked.

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

    def rank(self, predictions: TeacherPredictions, objects: Instances) -> RankedCandidates:
        """Candidates of an image's objects, valid where the fusion uses them.

        Args:
            predictions: of the teacher.
            objects: N, with `gt_boxes` and `gt_classes` in the frame of the predictions.
        """
        boxes = objects.gt_boxes.tensor.to(predictions.boxes)
        sides = (boxes[:, 2:] - boxes[:, :2]).float() * predictions.original_scale
        counts = self.candidate_count(sides.prod(dim=1))
        pool = self.candidate_boxes(predictions.boxes, predictions.scores)
        places, ious, valid = box_quality_ranking(predictions.boxes[pool], boxes, counts)
        indices = torch.zeros_like(places)
        indices[valid] = pool[places[valid]]
        scores = ious.new_zeros(indices.shape, dtype=predictions.scores.dtype)
        scores[valid] = predictions.scores[indices[valid]]
        same_class = torch.zeros_like(valid)
        classes = objects.gt_classes.to(valid.device)[:, None].expand_as(valid)
        same_class[valid] = predictions.classes[indices[valid]] == classes[valid]
        ranked = RankedCandidates(indices, ious, scores, same_class, valid)
        ranked = replace(ranked, valid=self.candidate_filter(ranked))
        return replace(ranked, valid=self.fusion.uses(ranked))

    @torch.no_grad()
    def forward(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        """Label one image; see `PseudoLabeller`."""
        ranked = self.rank(predictions, objects)
        boxes = objects.gt_boxes.tensor.to(predictions.boxes.device).float()
        places = max(ranked.valid.shape[1], 1)
        step = max(self.max_masks_per_chunk // places, 1)
        # An image without objects is one chunk of none, so that the shapes still come out right.
        starts = range(0, max(len(boxes), 1), step)
        chunks = [
            self._label(predictions, ranked[start : start + step], boxes[start : start + step])
            for start in starts
        ]
        fused = torch.cat([fused for fused, _, _ in chunks])
        quality = torch.cat([quality for _, _, quality in chunks])
        valid = quality > 0
        count = ranked.valid.sum(dim=1)
        mean_scores = (ranked.box_scores * ranked.valid).sum(dim=1) / count.clamp(min=1)
        return PseudoMasks(
            probabilities=fused * valid[:, None, None],
            threshold=self.mask_threshold,
            masks=torch.cat([masks for _, masks, _ in chunks]),
            quality=quality,
            scores=torch.where(valid, mean_scores, 0.0),
            valid=valid,
            candidates=count,
        )

    def _label(
        self, predictions: TeacherPredictions, ranked: RankedCandidates, boxes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fused masks (n, H, W), the same binary inside the boxes, and quality (n,)."""
        wanted, position = ranked.indices[ranked.valid].unique(return_inverse=True)
        probabilities = predictions.masks_of(wanted)
        height, width = probabilities.shape[1:]
        masks = probabilities.new_zeros((*ranked.valid.shape, height, width))
        masks[ranked.valid] = probabilities[position]
        fused = self.fusion(masks, ranked)
        inside = box_masks(boxes, predictions.mask_stride, height, width)
        quality = self.scoring(fused, masks, ranked, inside)
        binary = (fused > self.mask_threshold) & inside & (quality > 0)[:, None, None]
        return fused, binary, quality
