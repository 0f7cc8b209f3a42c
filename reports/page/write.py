"""The report as one page that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from boxseg.errors import InputError
from boxseg.files import write_text_atomically
from reports.claims import Assessment
from reports.figures.figure import Figure
from reports.formats.html import environment
from reports.page.gallery import GalleryImage, view_gallery
from reports.page.run_links import link_run
from reports.page.table_view import TableView, view_table, view_verdict
from reports.results import Results
from reports.table import PAPER_SCALE, Table
from reports.wording import tables as wording
from reports.wording.claims import count_verdicts, how_to_read_claims

PAGE_FILE = "index.html"

_FOLDER = Path(__file__).parent


def write_page(
    out: Path,
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    figures: Sequence[Figure],
    gallery: Sequence[GalleryImage],
    results: Results | None,
    *,
    runs: Path | None = None,
    command: str = "boxseg report all",
) -> Path:
    """Write `<out>/index.html`; the same input beside the same files gives the same bytes.

    Args:
        out: folder of the page.
        tables: of one scale, each name once; any number, none included.
        assessments: their claims' verdicts; those of other tables are not shown.
        figures: shown in this order, their `svg` in the page.
        gallery: shown in this order, their pictures in the page.
        results: all that were read; None where there is no folder of runs.
        runs: the runs' root. Files of runs that are there are linked, relative to `out`.
        command: that writes this page, to be shown on it.

    Raises:
        InputError: the folder cannot be written, two tables share a name or differ in scale, two
            figures share a name, or a panel of the gallery is no PNG or has no alternative text.
    """
    scale = _one_scale(tables)
    _no_name_twice("tables", [table.name for table in tables])
    _no_name_twice("figures", [figure.name for figure in figures])
    places = [] if results is None else sorted(results.frame["run"].unique())
    links = {place: link_run(place, runs, out) for place in places}
    views = [view_table(table, assessments, links, out) for table in tables]
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    text = (
        environment(_FOLDER)
        .get_template("page.html.j2")
        .render(
            scale=scale,
            is_paper_scale=scale == PAPER_SCALE,
            command=command,
            tables=views,
            how_to_read_claims=how_to_read_claims(scale) if scale else "",
            verdicts=_count_verdicts(tables, assessments),
            run_count=len({run for table in tables for cell in table.cells for run in cell.runs}),
            newest_run=_newest_run(tables),
            suite_versions=sorted({table.suite_version for table in tables}),
            left_out=_left_out(results, views),
            figures=[(figure, Markup(figure.svg)) for figure in figures],
            gallery=view_gallery(gallery),
            style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )
    path = out / PAGE_FILE
    write_text_atomically(path, text)
    return path


def _one_scale(tables: Sequence[Table]) -> str | None:
    scales = sorted({table.scale for table in tables})
    if len(scales) > 1:
        raise InputError(
            f"a page was asked for of several scales ({', '.join(scales)}); write one for each."
        )
    return scales[0] if scales else None


def _no_name_twice(what: str, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(f"two {what} of the page are named '{twice[0]}'; give each once.")


def _count_verdicts(
    tables: Sequence[Table], assessments: Sequence[Assessment]
) -> list[tuple[object, int]]:
    shown = {(table.name, table.scale) for table in tables}
    counts = count_verdicts([one for one in assessments if (one.table, one.scale) in shown])
    return [(view_verdict(verdict), count) for verdict, count in counts.items()]


def _newest_run(tables: Sequence[Table]) -> str:
    known = [table.newest_run for table in tables if table.newest_run is not None]
    return wording.newest_run(max(known, default=None))


def _left_out(results: Results | None, tables: Sequence[TableView]) -> list[tuple[str, str]]:
    """Give the files left out that no shown table names."""
    if results is None:
        return []
    named = {finding for table in tables for finding in table.rejected}
    return [
        (one.path, one.reason) for one in results.rejected if (one.path, one.reason) not in named
    ]
