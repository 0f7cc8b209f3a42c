"""What the box and the mask of an annotation must satisfy to be used, in pixels of its image.

One place for the rules that training applies (`boxseg.data.records`) and the checker reports
(`boxseg.data.check`).
"""

from __future__ import annotations

import math
import reprlib
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


def segmentation_fault(segmentation: object, width: int, height: int) -> str | None:
    """Say what keeps a segmentation from being a mask of a `height` x `width` image.

    Returns:
        None for a non-empty list of polygons, each an even number (at least 6) of finite
        coordinates, and for a run-length encoding (counts as a list or as COCO's compressed string)
        of that size; otherwise the fault, to be read after "its segmentation".
    """
    if isinstance(segmentation, list):
        if not segmentation:
            return "is an empty list"
        for position, polygon in enumerate(segmentation):
            if not isinstance(polygon, list):
                return f"has polygon {position} that is not a list of numbers"
            if len(polygon) < 6 or len(polygon) % 2:
                return (
                    f"has polygon {position} of {len(polygon)} numbers instead of an even number, "
                    "at least 6"
                )
            if not are_finite(polygon):
                return f"has polygon {position} with a coordinate that is not a finite number"
        return None
    if isinstance(segmentation, dict):
        return _run_length_fault(segmentation, width, height)
    return "is neither a list of polygons nor a run-length encoding"


def _run_length_fault(encoding: dict[str, Any], width: int, height: int) -> str | None:
    size, counts = encoding.get("size"), encoding.get("counts")
    if size != [height, width]:
        return (
            f"is a run-length encoding of size {reprlib.repr(size)} instead of [{height}, {width}]"
        )
    lengths: list[int] | None = None
    if isinstance(counts, list) and all(type(count) is int for count in counts):
        lengths = counts
    elif isinstance(counts, str):
        lengths = _decompress(counts)
    if lengths is None or any(length < 0 for length in lengths):
        return "is a run-length encoding whose counts cannot be decoded"
    if sum(lengths) != width * height:
        return f"is a run-length encoding whose counts do not add up to {width} x {height} pixels"
    return None


def _decompress(text: str) -> list[int] | None:
    """Decode COCO's compressed counts; None when the text is not such an encoding.

    A count is a little-endian row of 5-bit digits, each a character from "0" on whose bit 6 says
    that another follows and whose highest bit, in the last digit, is the sign; from the fourth
    count on, the difference from the count two before is stored. pycocotools reads past the end
    of a text that stops early, which is why this is checked before it sees one.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            return None
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts if shift == 0 else None
