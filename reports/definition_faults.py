"""Whether a table's definition and the numbers the paper printed agree."""

from __future__ import annotations

from collections.abc import Iterator

from boxseg.errors import InputError
from reports.definition import CellRef, TableDefinition
from reports.paper_numbers import PaperKey, PaperNumbers

ROUNDING = 0.05 + 1e-9
"""Half of the last digit printed: a stated difference may be that of numbers not yet rounded."""


def faults_of(definition: TableDefinition, paper: PaperNumbers) -> list[str]:
    """A clause per printed row, cell or claim that the definition gets wrong; none if all is well.

    Every printed row of the paper's table has to be defined, every cell named has to be printed,
    and the printed cells have to bear out what the claims say the paper states.
    """
    if definition.paper_table is None:
        return []
    faults = [*_missing_rows(definition, paper), *_unprinted_cells(definition, paper)]
    return faults or list(_unfounded_claims(definition, paper))


def _keys(definition: TableDefinition) -> dict[tuple[str, str], PaperKey]:
    """The printed row that each cell stands for."""
    return {
        (row.name, column.name): key
        for row in definition.rows
        for column in definition.columns
        if (key := definition.printed_key(row, column)) is not None
    }


def _missing_rows(definition: TableDefinition, paper: PaperNumbers) -> Iterator[str]:
    keys = list(_keys(definition).values())
    for printed in paper.printed_rows(str(definition.paper_table)):
        if not any(printed.fits(key) for key in keys):
            yield (
                f"{definition.name}: no row stands for the printed row {printed.row_order}, "
                f"'{printed.method}', {printed.backbone}, {printed.schedule or 'no schedule'}"
            )


def _unprinted_cells(definition: TableDefinition, paper: PaperNumbers) -> Iterator[str]:
    for (row, column), key in _keys(definition).items():
        for metric in definition.metrics:
            try:
                paper.value(str(definition.paper_table), key, metric)
            except InputError as error:
                yield f"{definition.name}, row '{row}', column '{column}': {str(error).rstrip('.')}"


def _unfounded_claims(definition: TableDefinition, paper: PaperNumbers) -> Iterator[str]:
    keys = _keys(definition)

    def printed(cell: CellRef, metric: str) -> float | None:
        key = keys.get((cell.row, cell.column))
        return None if key is None else paper.value(str(definition.paper_table), key, metric).value

    for claim in definition.claims:
        larger = printed(claim.minuend, claim.metric)
        smaller = printed(claim.subtrahend, claim.metric)
        if larger is None or smaller is None:
            continue
        found, stated = larger - smaller, claim.stated_difference
        if stated is None and found <= 0:
            yield (
                f"{definition.name}, claim '{claim.id}': the printed cells differ by {found:.1f}, "
                "which is no gain"
            )
        elif stated is not None and abs(found - stated) > ROUNDING:
            yield (
                f"{definition.name}, claim '{claim.id}': the printed cells differ by {found:.1f}, "
                f"not by the stated {stated:.1f}"
            )
