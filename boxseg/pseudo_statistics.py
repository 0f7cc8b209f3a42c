"""What pseudo masks are like during training: logged, and never part of a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.mask_overlap import mask_iou
from boxseg.pseudo_labels import PseudoMasks


class PseudoStatistics:
    """Gathers statistics over the images of a step.

    With true masks at hand (generated scenes, or data whose masks are for evaluation only) it also
    measures how good the pseudo masks are and whether their quality says so.
    """

    def __init__(self) -> None:
        self.valid: list[Tensor] = []
        self.quality: list[Tensor] = []
        self.candidates: list[Tensor] = []
        self.agreement: list[Tensor] = []
        self.judged: list[Tensor] = []
        self.judged_quality: list[Tensor] = []
        self.iou: list[Tensor] = []
        self.copy_paste: dict[str, float] = {}

    def add_labels(
        self, labels: PseudoMasks, masks: Tensor, valid: Tensor, truth: Tensor | None
    ) -> None:
        """Take an image's pseudo masks in.

        Args:
            labels: as the labeller gave them.
            masks: bool (N, H, W), as the student is taught them.
            valid: bool (N,).
            truth: bool (N, H, W), the true masks, or None.
        """
        self.valid.append(valid)
        self.quality.append(labels.quality)
        self.candidates.append(labels.candidates)
        if labels.agreement is not None:
            self.agreement.append(labels.agreement)
        if truth is not None:
            self.judged.append(valid)
            self.judged_quality.append(labels.quality)
            self.iou.append(mask_iou(masks, truth.to(masks.device, non_blocking=True)))

    def add_copy_paste(self, statistics: dict[str, float]) -> None:
        """Take in what a copy-paste tells of itself."""
        self.copy_paste |= statistics

    def as_tensors(self, device: torch.device) -> dict[str, Tensor]:
        """Scalars to be logged; means over what there is, left out where there is nothing."""
        found: dict[str, Tensor] = {}
        objects = torch.cat(self.valid)
        if len(objects):
            found["pseudo_valid_share"] = objects.float().mean()
        valid = objects.nonzero()[:, 0]
        if len(valid):
            found["pseudo_quality"] = torch.cat(self.quality).float()[valid].mean()
            found["pseudo_candidates"] = torch.cat(self.candidates).float()[valid].mean()
        if self.iou:
            judged = torch.cat(self.judged).nonzero()[:, 0]
            iou, quality = torch.cat(self.iou)[judged], torch.cat(self.judged_quality)[judged]
            if len(judged):
                found["pseudo_iou"] = iou.mean()
            if len(judged) > 2:
                found["pseudo_rank_correlation"] = rank_correlation(quality.float(), iou)
        for name, value in self.copy_paste.items():
            found[f"copy_paste_{name}"] = torch.tensor(value)
        return {name: value.to(device, non_blocking=True) for name, value in found.items()}


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of two samples (n,); ties in the order they come; 0 if one is flat."""
    ranks = [x.argsort().argsort().float() for x in (first, second)]
    a, b = (r - r.mean() for r in ranks)
    flat = (first == first[0]).all() | (second == second[0]).all()
    return torch.where(flat, 0.0, (a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-12))
