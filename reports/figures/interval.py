"""The mean of a cell's runs and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.statistics import Interval, mean, t_interval

INTERVAL = "95% interval of the mean over seeds (Student's t)"


@dataclass(frozen=True)
class Estimate:
    """The values of some runs, their mean and its 95% t interval (None for a single run)."""

    values: tuple[float, ...]
    mean: float
    interval: Interval | None

    @property
    def n(self) -> int:
        """Give the number of runs."""
        return len(self.values)


def estimate(values: Iterable[float]) -> Estimate | None:
    """Give mean and interval of the values that are numbers; None if there are none."""
    found = tuple(value for value in values if math.isfinite(value))
    return Estimate(found, mean(found), t_interval(found)) if found else None
