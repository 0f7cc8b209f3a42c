"""A table's cells: our numbers with the runs behind them, beside the paper's with their source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reports.definition import Row, TableDefinition
from reports.paper_numbers import PaperValue
from reports.results import RejectedResult
from reports.spread import Spread
from reports.statistics import Interval
from reports.status import RunKey, RunStatus
from reports.vocabulary import Lack, State

PAPER_SCALE = "paper"


@dataclass(frozen=True)
class Absence:
    """Why a cell has no number of ours: a word for the cell, and the rest."""

    label: State | Lack
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.detail}" if self.detail else self.label


@dataclass(frozen=True)
class Cell:
    """One metric of one row and column.

    `mean` and the sample standard deviation `sd` (None for one run) are in per cent, over the `n`
    runs whose folders are `runs` and whose numbers are `values`, in the same order; exactly one of
    `mean` and `absence` is None. `difference` is ours minus the paper's, and there only where both
    measure the same thing: at paper scale, on the same dataset and split. `interval` is the 95% t
    interval of the mean, `bootstrap` the 95% percentile bootstrap interval; both are None below
    two runs. `configuration` is the `config_sha256` that the cell's first seed has today, where it
    is known: cells that share it are one, in whatever table. `failed` and `diverged` count the
    cell's runs that ended without a result: `diverged` those whose loss became infinite or NaN,
    `failed` the others.
    """

    row: str
    column: str
    metric: str
    paper: PaperValue | None
    mean: float | None
    sd: float | None
    n: int
    runs: tuple[str, ...]
    absence: Absence | None
    difference: float | None
    values: tuple[float, ...] = ()
    interval: Interval | None = None
    bootstrap: Interval | None = None
    configuration: str | None = None
    failed: int = 0
    diverged: int = 0


@dataclass(frozen=True)
class TrivialRow:
    """A row for masks that a box alone gives; its cells go by column, then by metric."""

    row: Row
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Unfinished:
    """A run that a cell lacks, though others of its seeds may be there."""

    key: RunKey
    status: RunStatus


@dataclass(frozen=True)
class Table:
    """A table at one scale, ready to be rendered.

    `cells` go row by row, then by column, then by metric. `evaluated_on`, `newest_run`,
    `commits`, `environments` and `spreads` describe the runs behind the numbers. `repeats` are runs
    of theirs that were done again on other processors, for `spreads` alone. `trivial` are rows
    below those of a table of pseudo masks (`reports.trivial_masks`).
    """

    definition: TableDefinition
    scale: str
    scale_label: str
    command: str
    suite_version: str
    cells: tuple[Cell, ...]
    unfinished: tuple[Unfinished, ...]
    rejected: tuple[RejectedResult, ...]
    evaluated_on: tuple[str, ...]
    newest_run: datetime | None
    commits: tuple[str, ...]
    environments: tuple[str, ...] = ()
    spreads: tuple[Spread, ...] = ()
    repeats: tuple[str, ...] = ()
    trivial: tuple[TrivialRow, ...] = ()

    @property
    def name(self) -> str:
        """Give the table's name, such as `table3`."""
        return self.definition.name

    def cell(self, row: str, column: str, metric: str) -> Cell:
        """Give the cell of this row, column and metric; KeyError if there is none."""
        for cell in self.cells:
            if (cell.row, cell.column, cell.metric) == (row, column, metric):
                return cell
        raise KeyError((row, column, metric))
