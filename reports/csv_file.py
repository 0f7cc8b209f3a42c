"""A table as tidy CSV: a line per row, column and metric, numbers to six decimals."""

from __future__ import annotations

import csv
import io

from reports.table import Table

FIELDS = (
    "table",
    "scale",
    "row",
    "column",
    "metric",
    "paper",
    "paper_source",
    "ours_mean",
    "ours_sd",
    "n",
    "runs",
    "reason",
)


def render_csv(table: Table) -> str:
    """Write the cells; `runs` are folders below the runs' root, separated by blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for cell in table.cells:
        paper = cell.paper
        writer.writerow(
            (
                table.name,
                table.scale,
                cell.row,
                cell.column,
                cell.metric,
                # The csv module writes None as an empty field.
                paper.value if paper else None,
                paper.source if paper else "not in the paper",
                _rounded(cell.mean),
                _rounded(cell.sd),
                cell.n,
                " ".join(cell.runs),
                str(cell.absence or ""),
            )
        )
    return text.getvalue()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
