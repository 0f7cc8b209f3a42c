"""What the box of an annotation must satisfy to be used, in pixels of its image.

One place for the rules that training applies (`boxseg.data.records`) and the checker reports
(`boxseg.data.check`); those for masks are in `boxseg.data.segmentations`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

# COCO writes boxes to hundredths of a pixel: what sticks out by less than this is rounding.
ROUNDING = 0.1

BoxFault = Literal["zero area", "outside", "partly outside"]


def are_finite(values: list[Any]) -> bool:
    """Whether every value is an int or a float (no bool) within the range of finite floats."""
    try:
        return set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    except OverflowError:  # an integer beyond the range of float
        return False


def clip_box(
    bbox: Sequence[float], width: int, height: int
) -> tuple[tuple[float, float, float, float] | None, BoxFault | None]:
    """Turn COCO's [x, y, w, h] into the (x0, y0, x1, y1) inside its image, in pixels.

    Returns:
        The box and what was wrong with it: (None, "zero area") when w or h is not positive,
        (None, "outside") when it shares no area with the image, (box, "partly outside") when more
        than `ROUNDING` px of a side were clipped, else (box, None). The box, where there is one,
        has 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height.
    """
    left, top = float(bbox[0]), float(bbox[1])
    right, bottom = left + bbox[2], top + bbox[3]
    # Compared after the addition, so that a width lost to rounding counts as none.
    if right <= left or bottom <= top:
        return None, "zero area"
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return None, "outside"
    box = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    overhang = max(-left, -top, right - width, bottom - height)
    return box, "partly outside" if overhang > ROUNDING else None
