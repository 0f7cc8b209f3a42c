"""GrabCut in a box: a mask by the image's colours alone, with OpenCV, which is optional.

Rother, Kolmogorov and Blake, "GrabCut": interactive foreground extraction using iterated graph
cuts, SIGGRAPH 2004. Nothing is learnt from other images.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

MARGIN = 0.5
"""Of the box's sides that is added on each side: what lies there is surely background."""
LEAST_MARGIN = 4.0
"""In pixels."""
LONGEST_SIDE = 96
"""In pixels, to which a larger cut-out is shrunk. On photographs of 320 pixels (coco-photos) the
mean IoU falls from 0.635 to 0.631 by it, and the time to a seventeenth."""
ITERATIONS = 5
LEAST_SHARE = 0.1
"""Of the box that has to be found. Of small objects GrabCut often leaves nothing."""


def is_installed() -> bool:
    """Whether OpenCV is there; `pip install 'boxseg[grabcut]'` brings it."""
    return importlib.util.find_spec("cv2") is not None


def grabcut_mask(image: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """What of a box the colours outside it do not explain.

    All of the box may be foreground at first, and all around it is background. Where less than a
    tenth of the box comes out as foreground, or the box leaves nothing around it, the ellipse in
    the box stands for it.

    Args:
        image: uint8 (H, W, 3), colours in any order.
        box: XYXY in pixels, within the image.

    Returns:
        bool (H, W).
    """
    import cv2

    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    aside, above = (max(MARGIN * side, LEAST_MARGIN) for side in (x1 - x0, y1 - y0))
    left, top = max(int(x0 - aside), 0), max(int(y0 - above), 0)
    right, bottom = min(int(x1 + aside) + 1, width), min(int(y1 + above) + 1, height)
    scale = min(LONGEST_SIDE / max(right - left, bottom - top), 1.0)
    rows, columns = (max(round(size * scale), 1) for size in (bottom - top, right - left))
    pixels = cv2.resize(
        np.ascontiguousarray(image[top:bottom, left:right]),
        (columns, rows),
        interpolation=cv2.INTER_AREA,
    )
    # Centres of the shrunk pixels, as fractions of the box's half sides from its centre.
    down = top + (np.arange(rows)[:, None] + 0.5) * (bottom - top) / rows
    across = left + (np.arange(columns) + 0.5) * (right - left) / columns
    down, across = (2 * down - y0 - y1) / (y1 - y0), (2 * across - x0 - x1) / (x1 - x0)
    inside = (abs(down) < 1) & (abs(across) < 1)
    found = inside & (down**2 + across**2 <= 1)
    if inside.any() and not inside.all():
        labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        models, whole = np.zeros((2, 1, 65)), (0, 0, columns, rows)
        cv2.setRNGSeed(0)  # its first clusters are drawn
        cv2.grabCut(pixels, labels, whole, models[0], models[1], ITERATIONS, cv2.GC_INIT_WITH_MASK)
        cut = labels == cv2.GC_PR_FGD
        if cut.sum() >= LEAST_SHARE * inside.sum():
            found = cut
    mask = np.zeros((height, width), dtype=bool)
    size = (right - left, bottom - top)
    mask[top:bottom, left:right] = cv2.resize(found.astype(np.float32), size) > 0.5
    return mask
