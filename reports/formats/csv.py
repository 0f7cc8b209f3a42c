"""Tables and claims as tidy CSV, numbers to six decimals: a line per cell, or per claim."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from reports.claims import Assessment, of_table
from reports.statistics import bootstrap_interval
from reports.table import Cell, Table
from reports.trivial_masks import OF_PSEUDO_MASKS as IOUS

_CELL_FIELDS = (
    "table",
    "scale",
    "row",
    "column",
    "metric",
    "paper",
    "paper_source",
    "ours_mean",
    "ours_sd",
    "ours_t_low",
    "ours_t_high",
    "ours_bootstrap_low",
    "ours_bootstrap_high",
    "difference",
    "n",
    "n_failed",
    "n_diverged",
    "runs",
    "reason",
    "claims",
    "definition_version",
    "suite_version",
    "command",
)

_CLAIM_FIELDS = (
    "table",
    "scale",
    "number",
    "claim",
    "text",
    "source",
    "minuend_row",
    "minuend_column",
    "subtrahend_row",
    "subtrahend_column",
    "metric",
    "paper_difference",
    "paper_source",
    "ours_mean",
    "ours_t_low",
    "ours_t_high",
    "ours_bootstrap_low",
    "ours_bootstrap_high",
    "run_sd",
    "degrees",
    "p",
    "p_corrected",
    "power",
    "seeds_for_power",
    "n",
    "seeds",
    "differences",
    "verdict",
    "reason",
    "runs",
    "command",
)


def render_csv(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write the cells.

    The intervals are 95% intervals of the mean over seeds. `runs` are folders below the runs' root,
    separated by blanks; `claims` are the claims that this cell is said to win, each with its
    verdict, separated by semicolons.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    own = of_table(table, assessments)
    trivial = (cell for one in table.trivial for cell in one.cells if cell.metric in IOUS)
    cells = (*table.cells, *trivial)
    return _csv_text(_CELL_FIELDS, (_cell_line(table, cell, own) for cell in cells))


def render_claims_csv(tables: Sequence[Table], assessments: Sequence[Assessment]) -> str:
    """Write a line per claim; `seeds`, `differences` and `runs` are separated by blanks.

    `run_sd` and `degrees` are of the error pooled over the column, which `ours_t_*` and the
    one-sided `p` (alone, and corrected over the table's claims) rest on; `power` is for the paper's
    difference, and `seeds_for_power` those it takes for 80%, empty above 100.
    """
    return _csv_text(
        _CLAIM_FIELDS,
        (_claim_line(table, one) for table in tables for one in of_table(table, assessments)),
    )


def _csv_text(fields: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write CSV with a head; None is an empty field, fractions have at most six decimals."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    for line in lines:
        # Adding 0.0 makes zero of a negative zero.
        writer.writerow([round(v, 6) + 0.0 if isinstance(v, float) else v for v in line])
    return text.getvalue()


def _cell_line(table: Table, cell: Cell, assessments: Sequence[Assessment]) -> tuple[object, ...]:
    paper, interval, bootstrap = cell.paper, cell.interval, cell.bootstrap
    won = (
        f"{one.claim.id}: {one.verdict}"
        for one in assessments
        if (one.claim.minuend.row, one.claim.minuend.column, one.claim.metric)
        == (cell.row, cell.column, cell.metric)
    )
    return (
        table.name,
        table.scale,
        cell.row,
        cell.column,
        cell.metric,
        paper.value if paper else None,
        paper.source if paper else "not in the paper",
        cell.mean,
        cell.sd,
        interval.low if interval else None,
        interval.high if interval else None,
        bootstrap.low if bootstrap else None,
        bootstrap.high if bootstrap else None,
        cell.difference,
        cell.n,
        cell.failed,
        cell.diverged,
        " ".join(cell.runs),
        str(cell.absence or ""),
        "; ".join(won),
        table.definition.version,
        table.suite_version,
        table.command,
    )


def _claim_line(table: Table, one: Assessment) -> tuple[object, ...]:
    claim, bootstrap = one.claim, bootstrap_interval(one.differences)
    return (
        one.table,
        one.scale,
        table.definition.claim_number(claim.id),
        claim.id,
        claim.text,
        claim.source,
        claim.minuend.row,
        claim.minuend.column,
        claim.subtrahend.row,
        claim.subtrahend.column,
        claim.metric,
        one.paper_difference,
        one.paper_source,
        one.mean,
        one.low,
        one.high,
        bootstrap.low if bootstrap else None,
        bootstrap.high if bootstrap else None,
        one.error.sd if one.error else None,
        one.error.degrees if one.error else None,
        one.p_value,
        one.p_corrected,
        one.prospects.power if one.prospects else None,
        one.prospects.seeds if one.prospects else None,
        len(one.seeds),
        " ".join(map(str, one.seeds)),
        " ".join(f"{difference:z.6f}" for difference in one.differences),
        str(one.verdict),
        one.reason,
        " ".join(one.runs),
        table.command,
    )
