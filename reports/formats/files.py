"""The files of tables and of their claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boxseg.files import write_text_atomically
from reports.claims import Assessment
from reports.formats.csv import render_claims_csv, render_csv
from reports.formats.html import render_html_section
from reports.formats.latex import render_latex
from reports.formats.markdown import render_claims_markdown, render_markdown
from reports.table import Table

PAGE_FILE = "index.html"
"""The page that holds all of a report, in the folder of all reports."""

TABLE_FORMATS = {
    ".md": render_markdown,
    ".tex": render_latex,
    ".csv": render_csv,
    ".html": render_html_section,
}
CLAIM_FORMATS = {".md": render_claims_markdown, ".csv": render_claims_csv}


def write_table(table: Table, out_dir: Path, assessments: Sequence[Assessment] = ()) -> list[Path]:
    """Write `<out_dir>/<scale>/<table>` as `.md`, `.tex`, `.csv` and `.html`; return their paths.

    The same table gives the same bytes.

    Args:
        table: to write.
        out_dir: folder of all reports.
        assessments: of any tables; those of this one are written.

    Raises:
        InputError: the folder cannot be written.
    """
    written = []
    for suffix, render in TABLE_FORMATS.items():
        path = out_dir / table.scale / f"{table.name}{suffix}"
        write_text_atomically(path, render(table, assessments))
        written.append(path)
    return written


def write_claims(
    tables: Sequence[Table], assessments: Sequence[Assessment], out_dir: Path
) -> list[Path]:
    """Write `<out_dir>/<scale>/claims.md` and `.csv`, and return their paths.

    Raises:
        InputError: the folder cannot be written.
    """
    written = []
    for suffix, render in CLAIM_FORMATS.items():
        path = out_dir / tables[0].scale / f"claims{suffix}"
        write_text_atomically(path, render(tables, assessments))
        written.append(path)
    return written
