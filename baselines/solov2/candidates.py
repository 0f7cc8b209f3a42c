"""From the predictions at cells to candidates with boxes of their masks, to what survives of them.

Everything is done for a whole batch at once: a teacher proposes in every training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from detectron2.structures import Boxes, Instances
from pycocotools import mask as run_length
from torch import Tensor

from baselines.solov2.head import CellOutputs
from baselines.solov2.mask_grid import MaskGrid
from baselines.solov2.matrix_nms import Decay, gaussian_decay, matrix_nms, peaks
from boxseg.box_masks import mask_areas
from boxseg.encoded_masks import PIXELS_AT_ONCE, EncodedMasks
from boxseg.mask_rescoring import mean_foreground_probability
from boxseg.ragged import first_places, image_index, padded_places


@dataclass(frozen=True)
class Candidates:
    """Classes of cells, one image's after the other's, before suppression.

    Attributes:
        boxes: float32 (M, 4), XYXY in pixels, of the masks; 0 of empty masks.
        scores: float32 (M,), probability of the class, in [0, 1].
        classes: int64 (M,).
        cells: int64 (M,), among the cells of their image.
        inside: float32 (M,), mean probability of the mask's foreground, 0 where there is none.
        alive: bool (M,), a peak among its neighbours, and its mask is large enough.
        counts: per image, how many of the M are its own.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    cells: Tensor
    inside: Tensor
    alive: Tensor
    counts: Sequence[int]


@dataclass(frozen=True)
class Survivors:
    """What survives suppression: per image, best first.

    Attributes:
        indices: per image, int64 (n,), into the candidates of all images.
        scores: per image, float32 (n,), in [0, 1]: class, mask, and what suppression leaves.
    """

    indices: list[Tensor]
    scores: list[Tensor]


class CandidateSelection:
    """Thresholds of the inference.

    Args:
        num_grids: per level, cells along each side.
        least_areas: per level, in pixels of the network's input, that a mask has to exceed.
        score_threshold: candidates need a class probability above it.
        mask_threshold: foreground are the pixels above it.
        max_cells: an image's most likely cells that are candidates.
        pre_nms_top_k: of an image's candidates that suppression sees, by score.
        decay: of matrix NMS.
        kept_threshold: the least score that is kept after it.
        max_detections: kept per image.
    """

    def __init__(
        self,
        num_grids: Sequence[int],
        least_areas: Sequence[float],
        score_threshold: float = 0.05,
        mask_threshold: float = 0.5,
        max_cells: int = 1000,
        pre_nms_top_k: int = 500,
        decay: Decay | None = None,
        kept_threshold: float = 0.025,
        max_detections: int = 100,
    ) -> None:
        if len(num_grids) != len(least_areas):
            raise ValueError(f"{len(num_grids)} grids need as many areas, not {len(least_areas)}")
        self.num_grids = tuple(num_grids)
        self.least_areas = tuple(float(area) for area in least_areas)
        self.score_threshold = score_threshold
        self.mask_threshold = mask_threshold
        self.max_cells = max_cells
        self.pre_nms_top_k = pre_nms_top_k
        self.decay = decay or gaussian_decay()
        self.kept_threshold = kept_threshold
        self.max_detections = max_detections

    def candidates(
        self, outputs: CellOutputs, grid: MaskGrid, sizes: Sequence[tuple[int, int]]
    ) -> Candidates:
        """All images' classes of cells above the score threshold.

        Args:
            outputs: of the head.
            grid: makes their masks.
            sizes: per image, (height, width) without padding, that cut the boxes.
        """
        probabilities = outputs.logits.sigmoid().transpose(1, 2)  # (B, A, classes)
        above = probabilities > self.score_threshold
        likely = probabilities.amax(dim=2)
        if likely.shape[1] > self.max_cells:
            best = likely.topk(self.max_cells, dim=1, sorted=False).indices
            kept = torch.zeros_like(likely, dtype=torch.bool).scatter_(1, best, True)
            above = above & kept[..., None]
        some = above.any(dim=2)
        of_cells, counts = torch.stack((some.sum(dim=1), above.sum(dim=(1, 2)))).tolist()
        cells = some.nonzero()[:, 1]
        boxes, areas, inside = self._measured(grid, outputs.kernels, cells, of_cells)
        images, places, classes = above.nonzero().unbind(dim=1)
        number = (some.flatten().cumsum(0) - 1)[images * some.shape[1] + places]
        height, width = torch.tensor(sizes).to(boxes)[images].unbind(dim=1)
        borders = torch.stack((width, height, width, height), dim=1)
        level = torch.arange(len(self.num_grids)).repeat_interleave(
            torch.tensor([n * n for n in self.num_grids]), output_size=some.shape[1]
        )
        least = torch.tensor(self.least_areas)[level].to(areas)[places]
        peak = peaks(outputs.logits, self.num_grids)
        return Candidates(
            boxes=boxes[number].clamp(min=0).minimum(borders),
            scores=probabilities[images, places, classes],
            classes=classes,
            cells=places,
            inside=inside[number],
            alive=(areas[number] > least) & peak[images, classes, places],
            counts=counts,
        )

    def _measured(
        self, grid: MaskGrid, kernels: Tensor, cells: Tensor, counts: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes and areas in pixels, and mean foreground probability, of n cells' masks.

        No more masks are held at a time than their pixels allow.
        """
        if not len(cells):
            return cells.new_zeros(0, 4).float(), cells.float(), cells.float()
        places, _ = padded_places(counts, cells.device)
        columns = cells[places]
        at_once = max(PIXELS_AT_ONCE // (len(counts) * prod(grid.size)), 1)
        parts = []
        for some in columns.split(at_once, dim=1):
            masks = grid.block(kernels, some).sigmoid().flatten(0, 1)
            foreground = masks > self.mask_threshold
            area = mask_areas(foreground).float()
            mean = mean_foreground_probability(masks, self.mask_threshold)
            boxes = grid.boxes(masks, self.mask_threshold)
            found = torch.cat((boxes, area[:, None], mean[:, None]), dim=1)
            parts.append(found.unflatten(0, some.shape))
        measured = torch.cat(parts, dim=1)
        images = image_index(counts, cells.device)
        rank = torch.arange(len(cells), device=cells.device)
        rank = rank - first_places(counts, cells.device)[images]
        boxes, area, mean = measured[images, rank].split((4, 1, 1), dim=1)
        return boxes, area[:, 0] * grid.stride**2, mean[:, 0]

    def surviving(self, found: Candidates, kernels: Tensor, grid: MaskGrid) -> Survivors:
        """Matrix NMS on the candidates of every image that are alive.

        Args:
            found: of the batch.
            kernels: float32 (B, D, A).
            grid: makes their masks.
        """
        if not len(found.scores):
            nothing = [found.scores for _ in found.counts]
            return Survivors([scores.long() for scores in nothing], nothing)
        places, own = padded_places(found.counts, found.scores.device)
        rescored = torch.where(found.alive, found.scores * found.inside, 0.0)
        padded = torch.where(own, rescored[places], -1.0)
        order = padded.argsort(dim=1, descending=True, stable=True)[:, : self.pre_nms_top_k]
        scores, chosen = padded.gather(1, order), places.gather(1, order)
        masks = grid.block(kernels, found.cells[chosen]).sigmoid() > self.mask_threshold
        alive = scores > 0
        left = matrix_nms(masks & alive[..., None, None], scores, found.classes[chosen], self.decay)
        left = torch.where(alive & (left >= self.kept_threshold), left, -1.0)
        left, best = left.sort(dim=1, descending=True, stable=True)
        left, best = left[:, : self.max_detections], best[:, : self.max_detections]
        counts = (left > 0).sum(dim=1).tolist()
        indices = chosen.gather(1, best)
        return Survivors(
            [image[:count] for image, count in zip(indices, counts, strict=True)],
            [image[:count] for image, count in zip(left, counts, strict=True)],
        )


def detections_of(
    masks: EncodedMasks, scores: Tensor, classes: Tensor, size: tuple[int, int]
) -> Instances:
    """An image's detections at its own size, with the boxes of their masks.

    Those whose mask has no pixel there are left out.

    Args:
        masks: K of them, at the original image's size.
        scores: float32 (K,).
        classes: int64 (K,).
        size: (height, width) of the original image.
    """
    corners = torch.zeros(len(masks), 4, device=scores.device)
    if len(masks):
        sides = torch.as_tensor(run_length.toBbox(masks.segmentations())).float()
        corners = torch.cat((sides[:, :2], sides[:, :2] + sides[:, 2:]), dim=1).to(corners)
    boxes = Boxes(corners)
    visible = boxes.nonempty()
    detections = Instances(size)
    detections.pred_boxes = boxes[visible]
    detections.pred_classes = classes[visible]
    detections.pred_masks = masks[visible]
    detections.scores = scores[visible]
    return detections
