"""COCO's polygons of masks, for tools that read no run-length encodings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycocotools import mask as run_length

from boxseg.export.polygons import outlines


def polygons_of(segmentation: Mapping[str, Any]) -> list[list[float]]:
    """The outlines of a mask, as `segmentation` has them: x, y, x, y, ... of each part in pixels.

    Holes are filled: the format has none. A mask of single pixels alone is the box around it.

    Args:
        segmentation: COCO's compressed run-length encoding of a mask that is not empty.
    """
    parts = outlines(run_length.decode(segmentation).astype(bool))
    if parts:
        return [part.ravel().tolist() for part in parts]
    x, y, width, height = run_length.toBbox(segmentation).tolist()
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]
