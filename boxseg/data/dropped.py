"""What of a split is trained on, and what is not: counts, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

_EXAMPLES = 3


@dataclass(frozen=True)
class Tally:
    """How many annotations something befell, and the ids of the first few of them."""

    count: int
    examples: tuple[int, ...]

    def __str__(self) -> str:
        if not self.count:
            return "0"
        noun = "annotation" if self.count == 1 else "annotations"
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.count} ({noun} {', '.join(map(str, self.examples))}{more})"


@dataclass(frozen=True)
class DroppedReport:
    """What of a split is trained on, and what is not.

    Attributes:
        file: name of the annotation file.
        images: number of images, those without a box included.
        empty: number of images without a box that is kept, which training leaves out.
        boxes: number of boxes kept, clipped ones included.
        zero_area: dropped, for a width or height that is not positive.
        outside: dropped, for sharing no area with the image.
        clipped: kept, but cut at the image's border.
        crowd: left out, because a crowd is no instance.
    """

    file: str
    images: int
    empty: int
    boxes: int
    zero_area: Tally
    outside: Tally
    clipped: Tally
    crowd: Tally

    def sentence(self) -> str:
        """The report in one line; what did not happen is left unsaid."""
        dropped = [
            f"{tally} {reason}"
            for tally, reason in (
                (self.zero_area, "of zero area"),
                (self.outside, "outside the image"),
            )
            if tally.count
        ]
        empty = f" ({self.empty} without a box left out)" if self.empty else ""
        images = f"{counted(self.images, 'image')}{empty}"
        parts = [f"{images}, {counted(self.boxes, 'box', 'boxes')}"]
        if dropped:
            parts.append(f"dropped {', '.join(dropped)}")
        if self.clipped.count:
            parts.append(f"clipped {self.clipped}")
        if self.crowd.count:
            parts.append(f"left out {self.crowd.count} crowd")
        return f"{self.file}: {'; '.join(parts)}."


def tally(ids: list[int]) -> Tally:
    """How many `ids` there are, with the first few of them."""
    return Tally(len(ids), tuple(ids[:_EXAMPLES]))


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun, whose plural is given where it is not the singular with an s."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
