"""From which quality on a labeller's masks are worth more than the ellipse in the box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boxseg.errors import InputError
from boxseg.files import read_json

LEAST_OBJECTS = 10
"""In a bin of the calibration that speaks against it."""


def least_quality(run: Path) -> float | None:
    """The quality below which a run's own calibration finds masks no better than the ellipse.

    Args:
        run: directory with a `result.json`.

    Returns:
        In [0, 1]: the lower edge of the lowest bin from which on every bin of `LEAST_OBJECTS`
        objects or more has a mean IoU above that of the ellipses in the boxes. None where the
        run measured no calibration: its data had no true masks, or it is not finished.

    Raises:
        InputError: the record cannot be read.
    """
    record = run / "result.json"
    if not record.is_file():
        return None
    content = read_json(record)
    try:
        bins: Sequence[dict[str, Any]] = content["calibration"]
        ellipse = content["metrics"].get("trivial/ellipse-IoU")
        if not bins or ellipse is None:
            return None
        least = 1.0
        for one in sorted(bins, key=lambda one: -one["quality_from"]):
            if one["objects"] >= LEAST_OBJECTS and 100 * one["mean_iou"] <= ellipse:
                break
            least = one["quality_from"]
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{record} is not a record of this suite; restore it, or set --least-quality."
        ) from None
    return float(least)
