"""What a row's one difference from its reference is worth: the effects of a table of controls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from reports.statistics import Interval, mean, paired_differences, t_interval
from reports.table import Cell, Table


@dataclass(frozen=True)
class ReferenceEffect:
    """A row minus its reference, paired by seed, in points of the table's first metric.

    Attributes:
        row, reference: by name.
        column, metric: that it was measured in.
        differences: at least one, per seed.
    """

    row: str
    reference: str
    column: str
    metric: str
    differences: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Give the mean over seeds."""
        return mean(self.differences)

    @property
    def interval(self) -> Interval | None:
        """Give the 95% t interval of the mean; None of one seed."""
        return t_interval(self.differences)


def reference_effects(table: Table) -> list[ReferenceEffect]:
    """Give the effects of all rows with a reference, where both have runs of the same seeds."""
    metric = table.definition.metrics[0]
    effects = []
    for row in table.definition.rows:
        if row.reference is None:
            continue
        for column in table.definition.columns_of(row):
            own = _by_seed(table.cell(row.name, column.name, metric))
            other = _by_seed(table.cell(row.reference, column.name, metric))
            paired = paired_differences(own, other)
            if paired.seeds:
                found = (column.name, metric, paired.differences)
                effects.append(ReferenceEffect(row.name, row.reference, *found))
    return effects


def _by_seed(cell: Cell) -> dict[int, float]:
    seeds = (int(PurePosixPath(run).name.removeprefix("seed")) for run in cell.runs)
    return dict(zip(seeds, cell.values, strict=True))
