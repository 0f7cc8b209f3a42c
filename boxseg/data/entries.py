"""The entries of a COCO JSON as the suite holds them, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defect:
    """One thing wrong with a dataset.

    Attributes:
        kind: what sort of defect, the same words for all of its sort ("unknown image").
        where: the entry ("annotation 17", "images[3]" where it has no usable id).
        message: what is wrong with it, to be read after `where`.
        remedy: what to do about it, an imperative.
    """

    kind: str
    where: str
    message: str
    remedy: str

    def sentence(self) -> str:
        """The whole defect as one sentence on one line, without the name of the file."""
        text = f"{self.where} {self.message}; {self.remedy}."
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@dataclass(frozen=True)
class Category:
    """A category as the JSON lists it; ids need neither start at 1 nor be contiguous."""

    id: int
    name: str


@dataclass(frozen=True)
class ImageEntry:
    """An image as the JSON lists it; `file_name` is relative to the split's folder, sizes in px."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class CocoJson:
    """The sound entries of a COCO JSON.

    Attributes:
        categories: sorted by id.
        images: by id, in the order of their ids.
        annotations: as they stand in the file, in its order; id, image_id, category_id, bbox and
            iscrowd (where given) are valid and refer to `images` and `categories`. Nothing is
            known of their other fields.
    """

    categories: Sequence[Category]
    images: Mapping[int, ImageEntry]
    annotations: Sequence[dict[str, Any]]
