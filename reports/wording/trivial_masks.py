"""What is said of pseudo masks that are no better than masks for which nothing was trained."""

from __future__ import annotations

from reports.table import Cell, Table
from reports.trivial_masks import BOX, ELLIPSE, GRABCUT, LABELS, OF_PSEUDO_MASKS, row_name

_READ_BY = ("pseudo/IoU-filled", "pseudo/IoU-all", "pseudo/IoU")
"""The first of these that a table has: the one over all objects that favours a labeller most."""

_NAMES = {BOX: "the box itself", ELLIPSE: "the ellipse in the box"}


def trivial_notes(table: Table) -> list[str]:
    """Say of each column which rows' pseudo masks are below masks that a box alone gives.

    Below the box or the ellipse in it a labeller teaches nothing that the boxes do not. GrabCut has
    the image's colours besides, so a labeller below it may still teach.
    """
    metric = next((one for one in _READ_BY if one in table.definition.metrics), None)
    lines = []
    for column in table.definition.columns if metric else ():
        values = {
            cell.row: cell.mean
            for one in table.trivial
            for cell in one.cells
            if (cell.column, cell.metric) == (column.name, metric) and cell.mean is not None
        }
        rows = [one for one in table.cells if (one.column, one.metric) == (column.name, metric)]
        lines += _of_column(table, column.label, rows, values)
    for one in table.trivial:
        reasons = {str(cell.absence) for cell in one.cells if cell.metric in OF_PSEUDO_MASKS}
        lines += [f"{one.row.label}: {reason}." for reason in sorted(reasons) if ": " in reason]
    return lines


def _of_column(table: Table, column: str, cells: list[Cell], values: dict[str, float]) -> list[str]:
    labels = {row.name: row.label for row in table.definition.rows}
    place = f"{column}: " if column else ""
    by_metric = {name: values.get(row_name(name)) for name in LABELS}
    lines = []
    bars = [(value, _NAMES[name]) for name in _NAMES if (value := by_metric[name]) is not None]
    if bars:
        bar, name = max(bars)
        below = [labels[one.row] for one in cells if one.mean is not None and one.mean < bar]
        if below:
            lines.append(
                f"{place}the pseudo masks of {'; '.join(below)} teach nothing that the boxes do "
                f"not: {name} covers the objects better ({bar:.1f})."
            )
    cut = by_metric[GRABCUT]
    below = [
        labels[one.row]
        for one in cells
        if cut is not None and one.mean is not None and one.mean < cut
    ]
    if below:
        lines.append(
            f"{place}GrabCut in the box, which learns nothing from other images, covers the "
            f"objects better ({cut:.1f}) than the pseudo masks of {'; '.join(below)}."
        )
    return lines
