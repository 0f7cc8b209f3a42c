"""The files of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boxseg.files import write_text_atomically
from reports.claims import Assessment
from reports.csv_file import render_csv
from reports.html_table import render_html_section
from reports.latex import render_latex
from reports.markdown import render_markdown
from reports.table import Table

FORMATS = {
    ".md": render_markdown,
    ".tex": render_latex,
    ".csv": render_csv,
    ".html": render_html_section,
}


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
    for suffix, render in FORMATS.items():
        path = out_dir / table.scale / f"{table.name}{suffix}"
        write_text_atomically(path, render(table, assessments))
        written.append(path)
    return written
