"""Which images are shown: chosen by a rule that looks at numbers, and at no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places in the order of the differences, from the worst image to the best."""


@dataclass(frozen=True)
class Choice:
    """An image and the rule it was chosen by, as half a sentence."""

    image: int
    reason: str


def chosen_by_difference(
    first: Mapping[int, float], second: Mapping[int, float], first_name: str, second_name: str
) -> list[Choice]:
    """The images at the `QUANTILES` of first minus second, each once, worst for the first first.

    Of N images in the order of the difference, and of their ids where it is equal, quantile p is
    the one at place round(p (N - 1)).

    Args:
        first, second: a score of each image, of the same images.
        first_name, second_name: of those scored.
    """
    order = sorted(first, key=lambda image: (first[image] - second[image], image))
    chosen: dict[int, Choice] = {}
    for quantile in QUANTILES:
        if not order:
            break
        image = order[round(quantile * (len(order) - 1))]
        reason = (
            f"{_place(quantile)} of {len(order)} images in the order of the mean best-overlap IoU "
            f"of {first_name} minus that of {second_name}, "
            f"here {100 * (first[image] - second[image]):+.1f} points"
        )
        chosen.setdefault(image, Choice(image, reason))
    return list(chosen.values())


def chosen_by_score(scores: Mapping[int, float], name: str) -> list[Choice]:
    """The images at the `QUANTILES` of one score, each once, the worst first.

    Of N images in the order of the score, and of their ids where it is equal, quantile p is the one
    at place round(p (N - 1)).

    Args:
        scores: by image.
        name: of what was scored.
    """
    order = sorted(scores, key=lambda image: (scores[image], image))
    chosen: dict[int, Choice] = {}
    for quantile in QUANTILES if order else ():
        image = order[round(quantile * (len(order) - 1))]
        reason = (
            f"{_place(quantile)} of {len(order)} images in the order of the mean best-overlap IoU "
            f"of {name}, here {scores[image]:.2f}"
        )
        chosen.setdefault(image, Choice(image, reason))
    return list(chosen.values())


def _place(quantile: float) -> str:
    names = {0.0: "the worst", 0.5: "the median", 1.0: "the best"}
    return names.get(quantile, f"the {round(100 * quantile)}% quantile")


def chosen_first(images: Mapping[int, object], count: int, where: str) -> list[Choice]:
    """The images of the lowest ids, where nothing tells methods apart.

    Args:
        images: by id.
        count: greatest number of them.
        where: the split, as it is called in a sentence.
    """
    names = ("first", "second", "third", "fourth", "fifth")
    return [
        Choice(image, f"the {name} image of {where}")
        for name, image in zip(names[:count], sorted(images), strict=False)
    ]
