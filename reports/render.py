"""The files of a table."""

from __future__ import annotations

from pathlib import Path

from boxseg.files import write_text_atomically
from reports.csv_file import render_csv
from reports.markdown import render_markdown
from reports.table import Table


def write_table(table: Table, out_dir: Path) -> list[Path]:
    """Write `<out_dir>/<scale>/<table>.md` and `.csv`, and return their paths.

    The same table gives the same bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = out_dir / table.scale
    written = []
    for suffix, text in ((".md", render_markdown(table)), (".csv", render_csv(table))):
        path = folder / f"{table.name}{suffix}"
        write_text_atomically(path, text)
        written.append(path)
    return written
