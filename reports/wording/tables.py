"""How a table's headings and the lines around it read, the same in every format and figure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath

from reports.definition import Column, TableDefinition
from reports.spread import Spread
from reports.table import PAPER_SCALE, Table
from reports.trivial_masks import trivial_notes
from reports.vocabulary import Lack


def heading(table: Table, column_label: str, metric: str) -> str:
    """Name a column of cells: its label, and the metric too where the table has several."""
    if len(table.definition.metrics) == 1:
        return column_label or metric_label(metric)
    return f"{column_label} {metric_label(metric)}".strip()


def metric_label(metric: str) -> str:
    """Write `segm/AP50` as the papers do: `AP50`; `bbox/AP` becomes `box AP`."""
    task, _, name = metric.partition("/")
    return f"{ {'segm': '', 'bbox': 'box'}.get(task, task) } {name}".strip()


def shows_paper(table: Table) -> bool:
    """A table of ours has nothing of the paper's to show."""
    return table.definition.paper_table is not None


def shows_difference(table: Table) -> bool:
    """Only at paper scale is there anything to subtract."""
    return table.scale == PAPER_SCALE and shows_paper(table)


def paper_label(table: Table) -> str:
    """Say what the paper's numbers of this table were measured on, where that is one thing."""
    printed = [cell.paper for cell in table.cells if cell.paper is not None]
    data = sorted({f"{value.dataset} {value.split}" for value in printed})
    backbones = sorted({value.backbone for value in printed})
    parts = [only[0] for only in (data, backbones) if len(only) == 1]
    return f"paper ({', '.join(parts)})" if parts else "paper"


def ours_label(table: Table) -> str:
    """Say what our numbers of this table were measured on."""
    return f"ours ({table.scale}: {table.scale_label})"


def seeds(table: Table) -> str:
    """Say how many seeds the filled cells have."""
    counts = sorted({cell.n for cell in table.cells if cell.mean is not None})
    if not counts:
        return "no runs yet"
    if len(counts) == 1:
        return f"{counts[0]} per cell"
    return f"{counts[0]} to {counts[-1]} per cell"


def spread(one: Spread) -> str:
    """Say how far the runs of a column scatter, by what."""
    parts = [
        f"{error.sd:.2f} between {what} ({error.degrees} degrees of freedom)"
        for what, error in (("seeds", one.seeds), ("processors", one.processors))
        if error is not None
    ]
    if one.images is not None:
        parts.insert(min(1, len(parts)), f"{one.images:.2f} from the choice of images")
    label = f"{metric_label(one.metric)}, {one.column}, {one.iterations} iterations"
    return f"{label}: sd {listed(parts) if parts else 'unknown'}"


def newest_run(when: datetime | None) -> str:
    """Write when the newest run started."""
    return "none" if when is None else when.strftime("%Y-%m-%d %H:%M UTC")


def listed(parts: Iterable[str]) -> str:
    """Join, or say `none`."""
    return ", ".join(parts) or "none"


def how_to_read(table: Table) -> str:
    """Explain the numbers, how far they can be trusted, and what may be compared."""
    metrics = listed(metric_label(metric) for metric in table.definition.metrics)
    start = "Beside each number the paper printed stands ours:"
    if not shows_paper(table):
        start = "This table is not in the paper; it gives"
    first = (
        f"{start} {metrics} in per cent, one run as its value, several as mean ± sample standard "
        "deviation [95% interval of the mean over seeds, Student's t] (n: the number of seeds). "
        "With three seeds the interval is weak: it is wide, and takes the scores as normally "
        "distributed."
    )
    if any(cell.failed or cell.diverged for cell in table.cells):
        first += " Runs that failed or diverged have no score; they are counted beside n."
    if not shows_paper(table):
        second = "Compare its rows with each other."
    elif shows_difference(table):
        second = (
            "The difference is ours minus the paper's, given only where both were measured on "
            "the same dataset and split."
        )
    else:
        second = (
            f"At {table.scale} scale the data and the backbone are not the paper's: compare our "
            "rows with each other, never our numbers with the paper's."
        )
    return f"{first} {second}"


def header(table: Table) -> list[tuple[str, str]]:
    """Say where the table comes from, as pairs of a word and its text."""
    version = table.definition.version
    return [
        ("Command", table.command),
        ("Scale", f"{table.scale}: {table.scale_label}"),
        ("Evaluated on", listed(table.evaluated_on)),
        ("Seeds", seeds(table)),
        *[
            ("Spread of runs", spread(one))
            for one in table.spreads
            if one.metric == table.definition.metrics[0]
        ],
        ("Newest run", newest_run(table.newest_run)),
        ("Suite", f"boxseg {table.suite_version}, definition version {version}"),
        ("Commits of the runs", listed(table.commits)),
        ("Software", "; ".join(table.environments) or "none"),
    ]


def warnings(table: Table) -> list[str]:
    """Say what forbids comparing the rows, if anything does."""
    if len(table.evaluated_on) <= 1:
        return []
    where = ", ".join(table.evaluated_on)
    return [f"The rows were evaluated on different data ({where}): do not compare them."]


def notes(table: Table) -> list[str]:
    """Explain the cells without a number and the runs that are lacking; add the rows' notes."""
    definition = table.definition
    labels = {row.name: row.label for row in definition.rows}
    lines = [
        f"{row.label}: {Lack.UNAVAILABLE}: {row.unavailable}."
        for row in definition.rows
        if row.unavailable is not None
    ]
    lines += [
        f"{labels[cell.row]}, {cell.column}, {metric_label(cell.metric)}: {cell.absence}."
        for cell in table.cells
        if cell.absence is not None and cell.absence.label in (Lack.NOT_POOLED, Lack.UNDEFINED)
    ]
    for one in table.unfinished:
        detail = f": {one.status.reason.rstrip('.')}" if one.status.reason else ""
        log = f" (log: {one.status.log})" if one.status.log else ""
        lines.append(
            f"{labels[one.key.row]}, {one.key.column}, seed {one.key.seed}: "
            f"{one.status.state}{detail}{log}."
        )
    return lines + row_notes(definition) + trivial_notes(table)


def row_notes(definition: TableDefinition) -> list[str]:
    """Give what the table's definition says of some of its rows."""
    return [f"{row.label}: {row.note}" for row in definition.rows if row.note is not None]


def sources(table: Table) -> list[str]:
    """Give each source of the paper's numbers once, in order of the cells."""
    found = (cell.paper for cell in table.cells if cell.paper is not None)
    return list(dict.fromkeys(value.source for value in found if value.value is not None))


def provenance(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    """Give each row and column with a number, and the folders of the runs behind it.

    Runs that were done again on other processors come last.
    """
    runs: dict[str, tuple[str, ...]] = {}
    labels = {row.name: row.label for row in table.definition.rows}
    for cell in table.cells:
        if cell.runs:
            # A metric may be undefined in some runs: the metric with most runs names them all.
            name = f"{labels[cell.row]}, {cell.column}"
            runs[name] = max(runs.get(name, ()), cell.runs, key=len)
    if table.repeats:
        runs["Spread between processors, the same runs done again"] = table.repeats
    return list(runs.items())


def table_label(table: Table) -> str:
    """Write `Table 3` for the paper's table, and its name for a table of ours."""
    paper_table = table.definition.paper_table
    return table.name if paper_table is None else f"Table {paper_table}"


def column_suffix(column: Column) -> str:
    """Write `, 1x`, or nothing for a table's only column, which has no label."""
    return f", {column.name}" if column.label else ""


def metric_title(metric: str) -> str:
    """Write a metric as tables do, but sizes in words: `APl` is easily misread."""
    label = metric_label(metric)
    size = {"APs": "small", "APm": "medium", "APl": "large"}.get(label)
    return f"AP ({size})" if size else label


def scale_line(table: Table) -> str:
    """Say on which scale's data and backbone a figure's numbers stand."""
    return f"{table.scale} scale: {table.scale_label}"


def named_runs(runs: Iterable[str]) -> str:
    """Name runs briefly: `baseline/1x, qam/1x (seeds 0, 1, 2); bqr/1x (seed 0)`.

    Args:
        runs: folders `<scale>/<table>/<row>/<column>/seed<k>`.
    """
    seeds: dict[str, set[int]] = {}
    for run in runs:
        place = PurePosixPath(run)
        cell = f"{place.parent.parent.name}/{place.parent.name}"
        seeds.setdefault(cell, set()).add(int(place.name.removeprefix("seed")))
    cells: dict[tuple[int, ...], list[str]] = {}
    for cell, found in sorted(seeds.items()):
        cells.setdefault(tuple(sorted(found)), []).append(cell)
    return "; ".join(
        f"{', '.join(names)} (seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))})"
        for found, names in cells.items()
    )
