"""Pseudo masks that are the true ones: a positive control, and not box-supervised.

A teacher that knew the truth must lift the student towards mask supervision. If it does not, the
step or the schedule is wrong, whatever the method. No table of the paper takes runs with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor

from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions


def mask_coverage(masks: Tensor, stride: int) -> Tensor:
    """How much of the surroundings of each cell a mask covers: float32 in [0, 1].

    Cell i stands for pixel stride // 2 + stride * i, as in `boxseg.aligned_upsample`; its
    surroundings are the stride's pixels around that one, and one more where the stride is even.
    Upsampled and cut at one half, coverage gives an edge back to a fraction of a pixel. The mask's
    value at the cell's own pixel would move edges by up to half a stride: of discs with a radius of
    8 to 23 pixels, at stride 4, it keeps an IoU of 0.88 and coverage one of 0.98.

    Args:
        masks: bool (N, H, W).
        stride: s >= 1, in pixels.

    Returns:
        (N, ceil(H / s), ceil(W / s)).
    """
    rows, columns = (-(-size // stride) for size in masks.shape[-2:])
    side = stride + 1 - stride % 2
    bottom = (rows - 1) * stride + side - masks.shape[-2]
    right = (columns - 1) * stride + side - masks.shape[-1]
    # What lies beyond the image is as its edge.
    whole = F.pad(masks[:, None].float(), (0, right, 0, bottom), mode="replicate")
    return F.avg_pool2d(whole, side, stride)[:, 0]


class OracleLabeller(PseudoLabeller):
    """True masks of quality 1, of all objects or a share of them, as they are or made smaller.

    They are given as a teacher could give them at best: per cell of its mask grid, how much of it
    the object covers.

    Args:
        share: of the objects, in [0, 1], that get their mask; drawn anew every time.
        erosion: cells of the mask's grid taken off at every edge.
        kept: of each mask's cells, in [0, 1], the share that is left, those deepest inside.
        seed: of the draw.

    Raises:
        InputError: a share or what is kept outside [0, 1], or a negative erosion.
    """

    needs_true_masks = True

    def __init__(
        self, share: float = 1.0, erosion: int = 0, kept: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1 or not 0 <= kept <= 1 or erosion < 0:
            raise InputError(
                f"the oracle's share {share} and what it keeps of a mask, {kept}, must be from 0 "
                f"to 1 and its erosion {erosion} must not be negative."
            )
        self.share = share
        self.erosion = erosion
        self.kept = kept
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        """Label images; objects carry `true_masks`, bool (n, H, W), in pixels of the frame."""
        masks = _on_one_grid(
            [self._smaller(mask_coverage(o.true_masks, predictions.mask_stride)) for o in objects]
        )
        drawn = torch.cat(
            [torch.rand(len(o), generator=self.generator) < self.share for o in objects]
        )
        valid = (masks > 0.5).flatten(1).any(dim=1) & drawn.to(masks.device, non_blocking=True)
        ones = valid.float()
        return PseudoMasks(
            probabilities=masks * ones[:, None, None],
            threshold=0.5,
            masks=(masks > 0.5) & valid[:, None, None],
            quality=ones,
            scores=ones,
            valid=valid,
            candidates=valid.long(),
        )

    def _smaller(self, masks: Tensor) -> Tensor:
        masks = _eroded(masks, self.erosion) if self.erosion else masks
        return trimmed(masks, self.kept) if self.kept < 1 else masks

    def get_extra_state(self) -> dict[str, Any]:
        """Where the random generator stands."""
        return {"generator": self.generator.get_state()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        self.generator.set_state(state["generator"].cpu())


def trimmed(masks: Tensor, kept: float) -> Tensor:
    """Take the outer cells off masks, so that each keeps the same share of its own.

    What a fixed number of cells takes off depends on the object's size: one cell is all of a small
    object. Here an object of any size loses as much, and the mask left has an IoU of `kept` with
    the one given, to within a cell.

    Args:
        masks: coverage (n, h, w) in [0, 1]; a mask is where it is above one half.
        kept: of the mask's cells, in [0, 1]: those that erosion by one cell after another reaches
            last.

    Returns:
        (n, h, w), 0 where a cell was taken off.
    """
    remaining = masks
    depth = masks.clone()
    for _ in range(min(masks.shape[-2:]) // 2):
        remaining = _eroded(remaining, 1)
        depth += remaining
    area = (masks > 0.5).flatten(1).sum(dim=1)
    deepest_first = depth.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = deepest_first.argsort(dim=1)
    left = rank < (kept * area).round()[:, None]
    return masks * left.reshape(masks.shape)


def _eroded(masks: Tensor, cells: int) -> Tensor:
    """Masks (n, h, w) without the cells at their edges; the edge of the image is none."""
    return 1 - F.max_pool2d(1 - masks[:, None], 2 * cells + 1, 1, cells)[:, 0]


def _on_one_grid(maps: Sequence[Tensor]) -> Tensor:
    """Maps (n, h, w) of several images, filled with zeros to one size: (N, height, width)."""
    rows, columns = (max(m.shape[axis] for m in maps) for axis in (1, 2))
    return torch.cat([F.pad(m, (0, columns - m.shape[2], 0, rows - m.shape[1])) for m in maps])
