"""The verdicts of several tables at one scale in one place, as Markdown and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from boxseg.files import write_text_atomically
from reports import wording
from reports.claim_numbers import claim_number
from reports.claim_wording import claim_lines, how_to_read_claims, of_table
from reports.claims import Assessment, Verdict
from reports.csv_file import csv_text
from reports.markdown import claims_table, runs_of_claims
from reports.markdown_syntax import code, section, text
from reports.statistics import bootstrap_interval
from reports.table import Table

FIELDS = (
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
    "n",
    "seeds",
    "differences",
    "verdict",
    "reason",
    "runs",
    "command",
)


def render_claims_markdown(tables: Sequence[Table], assessments: Sequence[Assessment]) -> str:
    """Write the verdicts, table by table, below how many there are of each.

    Args:
        tables: of one scale, at least one.
        assessments: of these tables.
    """
    first = tables[0]
    counts = Counter(one.verdict for table in tables for one in of_table(table, assessments))
    lines = [
        f"# Claims of the paper, judged at {text(first.scale)} scale",
        "",
        text(how_to_read_claims(first.scale)),
        "",
        f"- Command: {code(first.command)}",
        f"- Scale: {text(first.scale)}: {text(first.scale_label)}",
        f"- Newest run: {wording.newest_run(_newest(tables))}",
        f"- Suite: boxseg {text(first.suite_version)}",
        "- Verdicts: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict),
    ]
    behind: list[str] = []
    for table in tables:
        claims = claim_lines(table, assessments)
        if claims:
            lines += ["", f"## {table.name}: {text(table.definition.title)}", ""]
            lines += claims_table(claims)
            behind += runs_of_claims(claims)
    lines += section("Runs behind the claims", behind)
    return "\n".join(lines) + "\n"


def render_claims_csv(tables: Sequence[Table], assessments: Sequence[Assessment]) -> str:
    """Write a line per claim; `seeds`, `differences` and `runs` are separated by blanks."""
    return csv_text(
        FIELDS, (_line(table, one) for table in tables for one in of_table(table, assessments))
    )


def write_claims(
    tables: Sequence[Table], assessments: Sequence[Assessment], out_dir: Path
) -> list[Path]:
    """Write `<out_dir>/<scale>/claims.md` and `.csv`, and return their paths.

    Raises:
        InputError: the folder cannot be written.
    """
    written = []
    for suffix, render in ((".md", render_claims_markdown), (".csv", render_claims_csv)):
        path = out_dir / tables[0].scale / f"claims{suffix}"
        write_text_atomically(path, render(tables, assessments))
        written.append(path)
    return written


def _newest(tables: Sequence[Table]) -> datetime | None:
    return max((table.newest_run for table in tables if table.newest_run), default=None)


def _line(table: Table, one: Assessment) -> tuple[object, ...]:
    claim, bootstrap = one.claim, bootstrap_interval(one.differences)
    return (
        one.table,
        one.scale,
        claim_number(table.definition, claim.id),
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
        len(one.seeds),
        " ".join(map(str, one.seeds)),
        " ".join(f"{difference:z.6f}" for difference in one.differences),
        str(one.verdict),
        one.reason,
        " ".join(one.runs),
        table.command,
    )
