"""What preparing a download came to, and how it differs from the data as published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A split as its authors published it.

    Attributes:
        split: its name in the suite.
        data: whose it is, "COCO 2017" or the like.
        images: how many it has.
        annotations: likewise; None where that is not compared.
    """

    split: str
    data: str
    images: int
    annotations: int | None

    def difference(self, images: int, annotations: int) -> str | None:
        """A sentence on how a split with these counts differs; None where it does not."""
        if images == self.images and self.annotations in (None, annotations):
            return None
        has = f"{self.images} images"
        if self.annotations is not None:
            has += f" and {self.annotations} annotations"
        verb = "a part of" if images < self.images else "not"
        return f"{self.split} is {verb} {self.data} as published, where it has {has}."


@dataclass(frozen=True)
class Preparation:
    """Outcome of `boxseg data prepare`.

    Attributes:
        lines: what is there and what was built, one sentence each.
        shortfalls: what is missing or differs from the data as published, one sentence each.
    """

    lines: tuple[str, ...]
    shortfalls: tuple[str, ...]
