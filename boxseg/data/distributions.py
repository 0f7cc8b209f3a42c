"""How many objects the images of a split have, and how large they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boxseg.data.coco_json import parse_coco
from boxseg.data.dataset import Split
from boxseg.files import read_json

CandidateCounts = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.int64]]
"""From areas of boxes (N,), in pixels of their images, to K of Eq. 4 (N,)."""


@dataclass(frozen=True)
class Distributions:
    """What a split exercises; crowds are no objects.

    Attributes:
        name: of the split.
        objects_per_image: int64 (images,).
        areas: float64 (objects,), COCO's `area` where the annotation has one, else its box's.
        area_limits: where small ends and large begins, in the images' pixels.
        candidate_counts: int64 (objects,), K of Eq. 4.
    """

    name: str
    objects_per_image: npt.NDArray[np.int64]
    areas: npt.NDArray[np.float64]
    area_limits: tuple[float, float]
    candidate_counts: npt.NDArray[np.int64]

    def sizes(self) -> tuple[int, int, int]:
        """The number of small, medium and large objects, on which APs, APm and APl rest."""
        small, large = self.area_limits
        few = int((self.areas < small).sum())
        many = int((self.areas > large).sum())
        return few, len(self.areas) - few - many, many

    def lines(self) -> list[str]:
        """Three lines of text, or one that says that there is nothing to tell of."""
        total = len(self.areas)
        if not total:
            return ["no objects to measure."]
        per_image = self.objects_per_image
        named = zip(("small", "medium", "large"), "sml", self.sizes(), strict=True)
        return [
            f"objects an image: {per_image.min()} to {per_image.max()}, "
            f"in the mean {per_image.mean():.1f}.",
            "areas: "
            + ", ".join(
                f"{count} {size} ({_share(count, total)}"
                + (")" if count else f", so AP{letter} does not exist)")
                for size, letter, count in named
            )
            + "; medium is from {:.0f} to {:.0f} square pixels.".format(*self.area_limits),
            "K of Eq. 4: "
            + ", ".join(
                f"{k} for {_share(count, total)}"
                for k, count in sorted(Counter(self.candidate_counts.tolist()).items())
            )
            + " of the objects.",
        ]


def distributions(
    split: Split, area_limits: tuple[float, float], candidate_counts: CandidateCounts
) -> Distributions:
    """Read a split's JSON and count; entries with defects are left out.

    Args:
        split: whose annotations to read.
        area_limits: where small ends and large begins, in the images' pixels.
        candidate_counts: K of areas of boxes.

    Raises:
        InputError: the JSON cannot be read.
    """
    content, _ = parse_coco(read_json(split.annotations), split.annotated)
    objects = [one for one in content.annotations if not one.get("iscrowd")]
    counted = Counter(one["image_id"] for one in objects)
    boxes = [one["bbox"][2] * one["bbox"][3] for one in objects]
    areas = [one.get("area", box) for one, box in zip(objects, boxes, strict=True)]
    return Distributions(
        name=split.name,
        objects_per_image=np.array([counted[number] for number in content.images], dtype=np.int64),
        areas=_numbers(areas),
        area_limits=area_limits,
        candidate_counts=candidate_counts(_numbers(boxes)),
    )


def _numbers(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f}%"
