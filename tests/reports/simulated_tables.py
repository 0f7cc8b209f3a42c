"""Experiments with a known truth: the mask AP of a table's runs, drawn many times at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reports.comparisons import Design
from reports.definition import load_definition
from reports.paper_numbers import PaperNumbers
from reports.spread import pooled_variances
from reports.verdict import Evidence, PValues

TABLES = Path(__file__).parents[2] / "experiments" / "conf" / "table"
METRIC = "segm/AP"


@dataclass(frozen=True)
class SimulatedTable:
    """The claims on mask AP of one of the paper's tables, all of whose available rows were run.

    Attributes:
        rows: their names.
        columns: names of those with claims.
        cells: of each claim (column, row of the minuend, row of the subtrahend), as numbers.
        numbers: (claims,) the paper's differences, NaN where it gives none.
    """

    rows: list[str]
    columns: list[str]
    cells: np.ndarray
    numbers: np.ndarray

    @staticmethod
    def of(name: str) -> SimulatedTable:
        definition, paper = load_definition(TABLES / f"{name}.yaml"), PaperNumbers.load()
        assert definition.paper_table is not None
        rows = {row.name: row for row in definition.rows if row.unavailable is None}
        columns = {column.name: column for column in definition.columns}
        cells, numbers = [], []
        for claim in definition.claims:
            ends = (claim.minuend, claim.subtrahend)
            if claim.metric != METRIC or any(end.row not in rows for end in ends):
                continue
            assert claim.minuend.column == claim.subtrahend.column
            cells.append([list(columns).index(ends[0].column)])
            cells[-1] += [list(rows).index(end.row) for end in ends]
            printed = []
            for end in ends:
                key = definition.printed_key(rows[end.row], columns[end.column])
                value = paper.value(definition.paper_table, key, METRIC) if key else None
                printed.append(value.value if value else None)
            number = claim.stated_difference
            if number is None and None not in printed:
                number = printed[0] - printed[1]  # type: ignore[operator]
            numbers.append(np.nan if number is None else number)
        return SimulatedTable(list(rows), list(columns), np.array(cells), np.array(numbers))

    def judged(
        self,
        effects: np.ndarray | float,
        sds: float | np.ndarray,
        seeds: int,
        experiments: int,
        compared: bool = False,
        luck: float = 1.0,
        key: int = 0,
    ) -> PValues:
        """Draw experiments and test their claims.

        Args:
            effects: (claims,) true differences; that the two cells of a claim differ by them is
                all that a claim is about, so they need not add up over claims.
            sds: of a run's error: one, or (columns,).
            seeds: of every cell.
            experiments: how many.
            compared: whether the size is judged.
            luck: sd of what all rows of a seed and column share.
            key: of the random numbers.
        """
        rng = np.random.default_rng([key, seeds, len(self.rows)])
        shape = (experiments, len(self.columns), len(self.rows), seeds)
        sds = np.broadcast_to(sds, len(self.columns))
        scores = rng.normal(0, luck, (*shape[:2], 1, seeds))
        scores = scores + rng.normal(0, 1, shape) * sds[:, None, None]
        variances, degrees = pooled_variances(scores, np.ones(shape[2:], dtype=bool))
        column, first, second = self.cells.T
        differences = (scores[:, column, first] - scores[:, column, second]).mean(axis=-1)
        return PValues(
            Evidence(
                means=differences + effects,
                errors=np.sqrt(2 * variances[:, column] / seeds),
                degrees=np.full(len(column), float(degrees)),
                numbers=self.numbers,
                compared=np.full(len(column), compared),
                fixed=0.3,
            )
        )

    def design(self, sds: float | np.ndarray, compared: bool = False) -> Design:
        column, first, second = self.cells.T
        return Design(
            cells=np.stack([column * 100 + first, column * 100 + second], axis=1),
            sds=np.broadcast_to(sds, len(self.columns))[column],
            pools=column,
            rows=np.full(len(column), len(self.rows)),
            numbers=self.numbers,
            compared=np.full(len(column), compared),
            fixed=0.3,
        )
