"""The gate of the rule, whether a scale can show a teacher's effect; and what each control shows.

Where a known effect is invisible, its absence elsewhere says nothing ("no assay sensitivity"; the
term is of ICH guideline E10 on the choice of control groups). The controls are the runs of a table
`controls`: a teacher whose pseudo masks are the true ones, all of them (`oracle`), half of them
(`oracle-half`), their inner 70% (`trimmed`), or eroded by a cell (`eroded`), between BoxInst
(`boxinst`) and mask-supervised CondInst (`condinst`); and the known effect, BoxTeacher
(`boxteacher`) over BoxInst. They judge claims that were measured on the same dataset and split
after as many iterations.

A positive control has to teach something: one whose masks have, by its own records, no higher a
mean IoU with the true ones than the ellipses in the boxes is named, and not counted. Made smaller,
true masks come below that on a grid of few cells. `experiments/conf/scale/mini.md` tells when this
was decided, and what the gate would say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd
from scipy.special import stdtr

from reports.spread import POOLED_OVER, PooledError, error_of_column, values_by_row
from reports.statistics import Interval, mean, paired_differences, t_interval
from reports.table import Cell, Table
from reports.verdict import LEAST_SEEDS, LEVEL

TABLE = "controls"
METRIC = "segm/AP"
BASE, FULL, KNOWN = "boxinst", "condinst", "boxteacher"
NEEDED = (BASE, FULL, "oracle", KNOWN)
POSITIVE = ("oracle", "oracle-half", "trimmed", "eroded")
TAUGHT, TRIVIAL = "pseudo/IoU-filled", "trivial/ellipse-IoU"
LEAST_RECOVERED = 0.5
"""Share of the way from BoxInst to CondInst that true pseudo masks have to recover."""


@dataclass(frozen=True)
class Assay:
    """What the controls say: `sensitive` is None where they do not judge; `reason` says why."""

    sensitive: bool | None
    reason: str


@dataclass(frozen=True)
class Controls:
    """The runs of the controls at one scale, as a frame of `reports.results.read_results`."""

    frame: pd.DataFrame

    @staticmethod
    def among(frame: pd.DataFrame, scale: str) -> Controls:
        """Find the controls among all results of a folder of runs."""
        metrics = frame["metric"].isin((METRIC, TAUGHT, TRIVIAL))
        found = (frame["table"] == TABLE) & (frame["scale"] == scale) & metrics
        return Controls(frame[found].dropna(subset="value"))

    def assay(self, iterations: int, dataset: str, split: str) -> Assay:
        """Judge whether runs of this length on these data can show what a teacher adds."""
        found = self.frame
        alike = (
            (found["iterations"] == iterations)
            & (found["dataset"] == dataset)
            & (found["split"] == split)
        )
        reason = "controls not run"
        for _, metrics in found[alike].groupby(POOLED_OVER):
            column = metrics[metrics["metric"] == METRIC]
            rows = values_by_row(column)
            few = [row for row in NEEDED if len(_pairs(rows, row)) < LEAST_SEEDS]
            error = error_of_column(column)
            if not few and error is not None:
                return _judge(rows, error, _teaching_nothing(metrics))
            reason = f"controls not run: {', '.join(few)} on fewer than {LEAST_SEEDS} seeds"
        return Assay(None, reason)


def _teaching_nothing(column: pd.DataFrame) -> list[str]:
    """The positive controls whose masks are, in the mean, no better than ellipses."""

    def means(metric: str) -> pd.Series:
        return column[column["metric"] == metric].groupby("row")["value"].mean()

    above = (means(TAUGHT) - means(TRIVIAL)).dropna()
    return [row for row in POSITIVE if row in above.index and above[row] <= 0]


def _judge(rows: dict[str, dict[int, float]], error: PooledError, not_counted: list[str]) -> Assay:
    counted = [row for row in (FULL, *POSITIVE, KNOWN) if row not in not_counted]
    failures = [
        f"{row} is not significantly above {BASE} ({mean(_pairs(rows, row)):+z.2f})"
        for row in counted
        if len(_pairs(rows, row)) >= LEAST_SEEDS and not _is_above(_pairs(rows, row), error)
    ]
    way, oracle = (mean(_pairs(rows, row)) for row in (FULL, "oracle"))
    if way > 0 and oracle < LEAST_RECOVERED * way:
        failures.append(
            f"true pseudo masks recover {oracle / way:.0%} of the {way:.1f} AP "
            f"from {BASE} to {FULL}"
        )
    if failures:
        return Assay(False, f"controls: {', '.join(failures)}")
    known = mean(_pairs(rows, KNOWN))
    left_out = f" ({', '.join(not_counted)} not counted: no better than ellipses)"
    return Assay(
        True,
        f"controls: {KNOWN} is seen above {BASE} by {known:.2f} AP, and true pseudo masks recover "
        f"{oracle / way:.0%} of the {way:.1f} AP from {BASE} to {FULL}"
        + left_out
        * bool(not_counted),
    )


def _pairs(rows: dict[str, dict[int, float]], row: str) -> tuple[float, ...]:
    """Give a row's differences from BoxInst (BoxInst's own are zeros), one per seed."""
    return paired_differences(rows.get(row, {}), rows.get(BASE, {})).differences


def _is_above(differences: tuple[float, ...], error: PooledError) -> bool:
    standard_error = error.of_difference(len(differences))
    if standard_error == 0:
        return False
    return bool(stdtr(error.degrees, -mean(differences) / standard_error) < LEVEL)


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
