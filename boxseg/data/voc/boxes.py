"""Between VOC's boxes and COCO's.

VOC names a box's first and last pixel, counted from 1: the pixel in the top left corner alone is
(1, 1, 1, 1). COCO measures from the image's top left corner, [x, y, width, height], and that pixel
is [0, 0, 1, 1]. So x = xmin - 1 and x + width = xmax.
"""

from __future__ import annotations

import math

Corners = tuple[float, float, float, float]


def coco_box(corners: Corners) -> list[float]:
    """VOC's (xmin, ymin, xmax, ymax) as COCO's [x, y, width, height], in pixels.

    Widths and heights are rounded so that `voc_corners` gives back the corners to the last bit
    where xmin and ymin are at least 1: those of whole pixels and of single precision always, others
    where there is a number that does, and to one unit in the last place where there is none.
    """
    xmin, ymin, xmax, ymax = corners
    x, y = xmin - 1, ymin - 1
    return [x, y, _length(x, xmax), _length(y, ymax)]


def voc_corners(box: list[float]) -> Corners:
    """COCO's [x, y, width, height] as VOC's (xmin, ymin, xmax, ymax), in pixels."""
    x, y, width, height = box
    return x + 1, y + 1, x + width, y + height


def _length(start: float, end: float) -> float:
    """The number that, added to `start`, gives `end` exactly, where there is one."""
    length = end - start
    for candidate in (length, math.nextafter(length, math.inf), math.nextafter(length, -math.inf)):
        if start + candidate == end:
            return candidate
    return length
