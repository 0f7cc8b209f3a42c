"""COCO's two forms of a mask, polygons and run-length encodings: which are valid, how large."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from pycocotools import mask as run_length

from boxseg.data.annotation_rules import are_finite

_MAX_DIGITS = 7  # of a compressed count: 35 bits, where pycocotools keeps 32


def is_absent(segmentation: object) -> bool:
    """Whether an annotation has no mask: none is given, or the empty list that some tools write."""
    return segmentation is None or segmentation == []


def segmentation_fault(segmentation: object, width: int, height: int) -> str | None:
    """Say what keeps a segmentation from being a mask of a `height` x `width` image.

    Returns:
        None for a non-empty list of polygons, each an even number (at least 6) of finite
        coordinates, none farther outside the image than the image is large, and for a run-length
        encoding (counts as a list or as COCO's compressed string) of that size; otherwise the
        fault, to be read after "its segmentation".
    """
    if isinstance(segmentation, list):
        if not segmentation:
            return "is an empty list"
        for position, polygon in enumerate(segmentation):
            fault = _polygon_fault(polygon, width, height)
            if fault is not None:
                return f"has polygon {position} {fault}"
        return None
    if isinstance(segmentation, dict):
        return _run_length_fault(segmentation, width, height)
    return "is neither a list of polygons nor a run-length encoding"


def has_size(segmentation: dict[str, Any], width: int, height: int) -> bool:
    """Whether a run-length encoding says that it is of a `height` x `width` image."""
    size = segmentation.get("size")
    return (
        isinstance(size, list)
        and size == [height, width]
        and all(type(length) is int for length in size)
    )


def compressed(segmentation: Any, width: int, height: int) -> dict[str, Any]:
    """A valid segmentation of either form as one compressed run-length encoding."""
    if isinstance(segmentation, list):
        return run_length.merge(run_length.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return run_length.frPyObjects(segmentation, height, width)
    return segmentation


def extent(segmentation: Any, width: int, height: int) -> tuple[float, float, float, float] | None:
    """The smallest (x0, y0, x1, y1) around a valid segmentation, in pixels, not clipped.

    None for a run-length encoding without a pixel, and for polygons that all have no area.
    """
    if isinstance(segmentation, list):
        if not any(map(_has_area, segmentation)):
            return None
        xs = [x for polygon in segmentation for x in polygon[::2]]
        ys = [y for polygon in segmentation for y in polygon[1::2]]
        return min(xs), min(ys), max(xs), max(ys)
    x, y, w, h = run_length.toBbox(compressed(segmentation, width, height)).tolist()
    return (x, y, x + w, y + h) if w > 0 and h > 0 else None


def object_area(annotation: dict[str, Any], width: int, height: int) -> float:
    """Area in square pixels, for an annotation that gives none: of its mask, else of its box."""
    segmentation = annotation.get("segmentation")
    if segmentation is None or segmentation_fault(segmentation, width, height) is not None:
        return float(annotation["bbox"][2] * annotation["bbox"][3])
    return float(run_length.area(compressed(segmentation, width, height)))


def _polygon_fault(polygon: object, width: int, height: int) -> str | None:
    if not isinstance(polygon, list):
        return "that is not a list of numbers"
    if len(polygon) < 6 or len(polygon) % 2:
        return f"of {len(polygon)} numbers instead of an even number, at least 6"
    if not are_finite(polygon):
        return "with a coordinate that is not a finite number"
    xs, ys = polygon[::2], polygon[1::2]
    # pycocotools walks along a polygon's outline pixel by pixel, however far it leads.
    if min(xs) < -width or min(ys) < -height or max(xs) > 2 * width or max(ys) > 2 * height:
        return "with a point farther outside the image than the image is large"
    return None


def _has_area(polygon: list[float]) -> bool:
    """Whether not all points lie on one line (shoelace formula, rounding aside)."""
    x0, y0 = polygon[:2]
    xs, ys = [x - x0 for x in polygon[::2]], [y - y0 for y in polygon[1::2]]
    edges = zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    twice = sum([x * next_y - next_x * y for x, y, next_x, next_y in edges])
    size = max(xs) - min(xs) + max(ys) - min(ys)
    return abs(twice) > 1e-9 * size**2


def _run_length_fault(encoding: dict[str, Any], width: int, height: int) -> str | None:
    counts = encoding.get("counts")
    if not has_size(encoding, width, height):
        size = reprlib.repr(encoding.get("size"))
        return f"is a run-length encoding of size {size} instead of [{height}, {width}]"
    total: int | None = None
    if isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts):
        total = sum(counts)
    elif isinstance(counts, str):
        lengths = _decompress(counts)
        if lengths is not None and (lengths >= 0).all():
            total = int(lengths.sum())
    if total is None:
        return "is a run-length encoding whose counts cannot be decoded"
    if total != width * height:
        return f"is a run-length encoding whose counts do not add up to {width} x {height} pixels"
    return None


def _decompress(text: str) -> np.ndarray | None:
    """Decode COCO's compressed counts, int64 (N,); None when the text is not such an encoding.

    A count is a little-endian row of 5-bit digits, each a character from "0" on whose bit 6 says
    that another follows and whose highest bit, in the last digit, is the sign; from the fourth
    count on, the difference from the count two before is stored. pycocotools reads past the end
    of a text that stops early, which is why this is checked before it sees one.
    """
    if not text:
        return np.zeros(0, dtype=np.int64)
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    digits = characters.astype(np.int64) - ord("0")
    last = (digits & 32) == 0
    if ((digits < 0) | (digits >= 64)).any() or not last[-1]:
        return None
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() >= _MAX_DIGITS:
        return None
    places = 5 * (np.arange(len(digits)) - np.repeat(starts, ends - starts + 1))
    counts = np.add.reduceat((digits & 31) << places, starts)
    negative = (digits[ends] & 16) != 0
    counts -= np.where(negative, np.int64(1) << (places[ends] + 5), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
