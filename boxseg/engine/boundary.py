"""Boundary AP: how well masks agree along their outlines (Cheng et al., CVPR 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as run_length
from pycocotools.cocoeval import COCOeval
from scipy.ndimage import minimum_filter

DISTANCE = 0.02
"""Width of a boundary region, as a share of the image's diagonal."""


def boundary_region(encoding: dict[str, Any], share: float = DISTANCE) -> dict[str, Any]:
    """The pixels of a mask that are near its outline, or near the image's border.

    Near is a distance, along rows, columns or both, of at most `share` of the image's diagonal,
    rounded to pixels, but one pixel at least.

    Args:
        encoding: the mask, as a compressed run-length encoding.
        share: of the diagonal.

    Returns:
        A compressed run-length encoding.
    """
    height, width = encoding["size"]
    distance = max(1, round(share * float(np.hypot(height, width))))
    mask = np.asfortranarray(run_length.decode(encoding))
    x, y, w, h = run_length.toBbox(encoding).astype(int)
    part = mask[y : y + h, x : x + w]
    # What is outside the mask's own box counts as outside, also beyond the image.
    inner = minimum_filter(part, size=2 * distance + 1, mode="constant", cval=0)
    mask[y : y + h, x : x + w] = part - inner
    return run_length.encode(mask)


class BoundaryEvaluation(COCOeval):
    """COCO's evaluation of masks with the smaller of mask IoU and boundary IoU for an overlap."""

    def computeIoU(self, imgId: int, catId: int) -> Any:
        """Overlaps (detections by score, objects) of an image and a category."""
        overlaps = super().computeIoU(imgId, catId)
        if len(overlaps) == 0:
            return overlaps
        found, objects = self._dts[imgId, catId], self._gts[imgId, catId]
        # The order in which pycocotools has the rows.
        best = np.argsort([-one["score"] for one in found], kind="mergesort")
        best = best[: self.params.maxDets[-1]]
        boundaries = run_length.iou(
            [boundary_region(found[index]["segmentation"]) for index in best],
            [boundary_region(one["segmentation"]) for one in objects],
            [int(one["iscrowd"]) for one in objects],
        )
        return np.minimum(overlaps, boundaries)
