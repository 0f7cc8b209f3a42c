"""The name of a run's cell in its table."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.configuration.run_configuration import RunConfiguration


@dataclass(frozen=True)
class CellName:
    """Where a run's result belongs: a table's cell, or a run of its own.

    Attributes:
        table, row, column: names.
        takes_controls: whether the table may hold runs that true masks have taught.
    """

    table: str
    row: str
    column: str
    takes_controls: bool = False

    @staticmethod
    def of_single_run(config: RunConfiguration) -> CellName:
        """The name under which a run outside any table is recorded."""
        return CellName("train", f"{config.method}-{config.dataset.name}", config.schedule)

    def names(self) -> dict[str, str]:
        """Those of its table, row and column, as results have them."""
        return {"table": self.table, "row": self.row, "column": self.column}

    def with_seed(self, seed: int) -> str:
        """One of its runs, as messages name it."""
        return f"{self.table}/{self.row}/{self.column}/seed{seed}"
