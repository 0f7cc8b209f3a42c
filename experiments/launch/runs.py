"""From a table's definition to its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError
from experiments.configuration.choices import choices
from experiments.configuration.compose import composed, datasets_of_scale
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.cell_name import CellName
from reports.definition import TableDefinition


@dataclass(frozen=True)
class Run:
    """One run of a table.

    Attributes:
        cell: the table's cell it fills.
        scale: smoke, mini or paper.
        seed: of data order, initialisation and augmentation.
        directory: of the run.
        cell_words: the command-line words that the configuration of its cell is composed from.
    """

    cell: CellName
    scale: str
    seed: int
    directory: Path
    cell_words: tuple[str, ...]

    @property
    def configuration(self) -> RunConfiguration:
        """The run's own, at little cost: the runs of a cell share one composition."""
        return self.of_cell.of_run(self.seed, self.directory)

    @property
    def of_cell(self) -> RunConfiguration:
        """The configuration of its cell, of another seed perhaps, in another folder."""
        return composed(self.cell_words)

    @property
    def sha256(self) -> str:
        """The `config_sha256` of its configuration."""
        return self.of_cell.sha256_of_run(self.seed)

    @property
    def name(self) -> str:
        """The run, as messages name it."""
        return self.cell.with_seed(self.seed)


def expand(
    definition: TableDefinition,
    scale: str,
    seeds: int,
    runs: Path,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> list[Run]:
    """The runs of a table's available rows.

    Args:
        definition: of the table.
        scale: smoke, mini or paper.
        seeds: runs per cell, seeds 0 to seeds - 1.
        runs: folder that all run directories are in.
        rows, columns: names of those to run; all by default.
        overrides: KEY=VALUE words for every run.

    Raises:
        InputError: a row or column is unknown, or a row is not available.
    """
    by_name = {row.name: row for row in definition.rows}
    for name in rows:
        if name not in by_name:
            raise InputError(
                f"{definition.name} has no row {name!r}; choose among {', '.join(by_name)}."
            )
        if by_name[name].unavailable is not None:
            raise InputError(
                f"row {name} of {definition.name} is not yet available: "
                f"{by_name[name].unavailable}."
            )
    for name in columns:
        if name not in [column.name for column in definition.columns]:
            raise InputError(
                f"{definition.name} has no column {name!r}; choose among "
                f"{', '.join(column.name for column in definition.columns)}."
            )
    expanded = []
    common = (f"scale={scale}", f"dataset={dataset_of_table(definition, scale)}")
    for row in definition.rows:
        if row.unavailable is not None or (rows and row.name not in rows):
            continue
        for column in definition.columns_of(row):
            if columns and column.name not in columns:
                continue
            own = [_word(*item) for item in definition.overrides_of(row, column).items()]
            cell = CellName(definition.name, row.name, column.name, definition.positive_controls)
            folder = runs / scale / cell.table / cell.row / cell.column
            words = (*common, *own, *overrides)
            for seed in range(seeds):
                expanded.append(Run(cell, scale, seed, folder / f"seed{seed}", words))
    return expanded


def _word(key: str, value: str | int | float | bool | None) -> str:
    return f"{key}={'null' if value is None else value}"


def dataset_of_table(definition: TableDefinition, scale: str) -> str:
    """The data that a table's runs have at a scale: what stands for its own there, or its own.

    Raises:
        InputError: there are no such data.
    """
    name = definition.dataset
    known = dict.fromkeys(choices("dataset"), name) | datasets_of_scale(scale)
    if name not in known:
        raise InputError(
            f"{definition.name} needs dataset {name}, which scale {scale} does not have yet."
        )
    return known[name]
