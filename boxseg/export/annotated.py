"""Images with boxes, most of which have a mask: what the writers of this room are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as run_length


@dataclass(frozen=True)
class AnnotatedObject:
    """A box and its mask.

    Attributes:
        id: of the annotation, unique within its split.
        category: its place among the categories, from 0.
        name: of the category.
        box: XYXY, in pixels of the upright image.
        mask: COCO's compressed run-length encoding, or None where there is no mask.
    """

    id: int
    category: int
    name: str
    box: tuple[float, float, float, float]
    mask: dict[str, Any] | None

    def dense(self) -> np.ndarray:
        """The mask, bool (H, W).

        Raises:
            ValueError: there is none.
        """
        if self.mask is None:
            raise ValueError(f"annotation {self.id} has no mask")
        decoded: np.ndarray = run_length.decode(self.mask)
        return decoded.astype(bool)


@dataclass(frozen=True)
class AnnotatedImage:
    """An image of a split and its objects.

    Attributes:
        file_name: relative to the split's folder of images, as its JSON has it.
        width, height: of the upright image, in pixels.
        objects: in the order of the JSON.
    """

    file_name: str
    width: int
    height: int
    objects: tuple[AnnotatedObject, ...]
