"""Forest plot: of each claim the paper's difference and ours with its interval, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from reports.claims import Assessment, counted_once, of_table
from reports.figures.figure import (
    CENTIMETRE,
    HEADING_LINE,
    INK,
    PALETTE,
    SMALL,
    TWO_COLUMNS,
    Figure,
    broken_heading,
    finish,
    styled,
)
from reports.table import Table
from reports.vocabulary import Verdict
from reports.wording.claims import claim_label
from reports.wording.tables import named_runs, scale_line, table_label

OURS, PAPERS = PALETTE[1], PALETTE[2]
_MOST_LINES = 34  # that fit on a printed page
_LINE_HEIGHT = 0.5 * CENTIMETRE
_ABOVE = 1.3 * CENTIMETRE  # heading and the names of the columns of text
_BELOW = 1.75 * CENTIMETRE  # ticks, axis label and legend
_MARGIN = 0.05  # beside what is drawn, as a share of its range
# Shares of the drawing's width: where texts begin, and the plot from where to where.
_LABELS_AT = 0.01
_PLOT = (0.39, 0.58)
_NUMBERS_AT = (0.6, 0.66, 0.885)

SHORT = {
    Verdict.NO_LARGE_EFFECT: "below half",
    Verdict.NO_ASSAY_SENSITIVITY: "no sensitivity",
}
"""Verdicts whose words are too long for a line."""


@dataclass(frozen=True)
class Group:
    """The claims of one table that have a difference of ours, and how many have none."""

    table: Table
    assessed: tuple[Assessment, ...]
    without: int


def effect_figures(tables: Sequence[Table], assessments: Sequence[Assessment]) -> list[Figure]:
    """Draw all claims with a difference of ours, on as many sheets as they need."""
    groups = []
    for table in tables:
        own = of_table(table, assessments)
        assessed = tuple(one for one in own if one.mean is not None)
        if assessed:
            groups.append(Group(table, assessed, len(own) - len(assessed)))
    sheets = list(_sheets(groups))
    return [_figure(sheet, number, len(sheets)) for number, sheet in enumerate(sheets, start=1)]


def _sheets(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Fill sheets with whole tables; a table too long for one sheet has one of its own."""
    sheet: list[Group] = []
    for group in groups:
        lines = sum(len(one.assessed) + 1 for one in (*sheet, group))
        if sheet and lines > _MOST_LINES:
            yield sheet
            sheet = []
        sheet.append(group)
    if sheet:
        yield sheet


def _figure(groups: Sequence[Group], number: int, sheets: int) -> Figure:
    table = groups[0].table
    of = f", sheet {number} of {sheets}" if sheets > 1 else ""
    title = f"Differences that the paper claims, and ours{of}"
    without = [f"{one.without} more of {table_label(one.table)}" for one in groups if one.without]
    runs = (
        f"{one.table.name}: {named_runs(run for a in one.assessed for run in a.runs)}"
        for one in groups
    )
    # Groups may stand on different data of the same scale.
    scales = "; ".join(dict.fromkeys(scale_line(one.table) for one in groups))
    caption = (
        f"{title}; {scales}. Each line is a claim that one cell is better than another; ours is "
        "the mean of differences paired by seed (n: seeds) with its two-sided 95% t interval, "
        "which a single run does not have (an arrow at the edge: it lies beyond); its error is "
        "pooled over the column. The verdict rests "
        "on a one-sided test at 5%, corrected over the table's claims, so it may not follow from "
        "the interval alone (`below half`: no effect larger than the paper's half). The paper's "
        "difference is that of its data and scale: compare signs and order, not values, unless "
        "the scale is the paper's."
        f"{' Claims without a difference of ours: ' + ', '.join(without) + '.' if without else ''} "
        f"Runs: {'; '.join(runs)}."
    )
    once = counted_once([one for group in groups for one in group.assessed])
    verdicts = Counter(str(one.verdict) for one in once)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    alt = " ".join(
        f"{table_label(group.table)}: "
        f"{'; '.join(_sentence(group.table, one) for one in group.assessed)}."
        for group in groups
    )
    return finish(
        draw_effects(f"{title} ({scale_line(table)})", groups),
        name="effects" if sheets == 1 else f"effects-{number}",
        title=title,
        caption=caption,
        alt=f"{title}, in points of AP; {verdicts.total()} claims: {counts}. {alt}",
    )


@styled()
def draw_effects(heading: str, groups: Sequence[Group]) -> Drawing:
    """Draw a line per claim below its table's name; numbers and verdict stand at the right."""
    lines = sum(len(group.assessed) + 1 for group in groups)
    heading = broken_heading(heading, TWO_COLUMNS)
    height = lines * _LINE_HEIGHT + _ABOVE + _BELOW + heading.count("\n") * HEADING_LINE
    drawing = Drawing(figsize=(TWO_COLUMNS, height))
    drawing.text(_LABELS_AT, 1 - 0.25 * CENTIMETRE / height, heading, va="top", fontsize=8)
    axes = drawing.add_axes(
        (_PLOT[0], _BELOW / height, _PLOT[1] - _PLOT[0], lines * _LINE_HEIGHT / height)
    )
    _write_line(axes, -1, ("", "paper", "ours (95% interval)", "verdict"), "bold")
    limits = _limits([one for group in groups for one in group.assessed])
    line = 0
    for group in groups:
        name = f"{table_label(group.table)}: {group.table.definition.title}"
        _write_line(axes, line, (name,), "bold")
        ends = (line + 0.5, line + len(group.assessed) + 0.5)
        axes.plot((0, 0), ends, color=INK, linewidth=0.7, zorder=1)
        for one in group.assessed:
            line += 1
            verdict = SHORT.get(one.verdict, str(one.verdict))
            text = (_numbered(group.table, one), _papers(one), _ours(one), verdict)
            _write_line(axes, line, text)
            _draw_claim(axes, line, one, limits)
        line += 1
    axes.set_xlim(limits)
    axes.set_ylim(lines - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(visible=False)  # it would run through the tables' names
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference (AP points)")
    drawing.legend(
        [
            Line2D([], [], color=PAPERS, **_PAPERS_MARK),
            Line2D([], [], color=OURS, marker="o", linewidth=1.2),
        ],
        ["paper", "ours, with 95% interval"],
        loc="lower center",
        ncols=2,
    )
    return drawing


_PAPERS_MARK: dict[str, Any] = {
    "marker": "D",
    "fillstyle": "none",
    "linestyle": "none",
    "markersize": 5,
}


def _limits(assessed: Sequence[Assessment]) -> tuple[float, float]:
    """From where to where the axis goes: a single run, which proves nothing, does not widen it."""
    sure = [value for one in assessed for value in (one.low, one.high) if value is not None]
    sure += [one.paper_difference for one in assessed if one.paper_difference is not None]
    sure = [0.0, *(sure or [one.mean for one in assessed if one.mean is not None])]
    space = _MARGIN * (max(sure) - min(sure)) or 1.0
    return min(sure) - space, max(sure) + space


def _draw_claim(axes: Axes, line: int, one: Assessment, limits: tuple[float, float]) -> None:
    if one.paper_difference is not None:
        axes.plot(one.paper_difference, line, color=PAPERS, zorder=3, **_PAPERS_MARK)
    if one.mean is None:
        return
    if one.low is not None and one.high is not None:
        axes.plot([one.low, one.high], [line, line], color=OURS, linewidth=1.2, marker="|")
    place = min(max(one.mean, limits[0]), limits[1])
    marker = "o" if place == one.mean else "<" if one.mean < place else ">"
    axes.plot(
        place, line, color=OURS, marker=marker, linestyle="none", label=one.claim.id, clip_on=False
    )


def _write_line(axes: Axes, line: int, texts: Sequence[str], weight: str = "normal") -> None:
    """Write what stands beside the plot, each at its share of the drawing's width."""
    drawing = axes.figure
    where = blended_transform_factory(drawing.transFigure, axes.transData)
    places = (_LABELS_AT, *_NUMBERS_AT)
    for place, text in zip(places, texts, strict=False):
        axes.text(
            place, line, text, transform=where, va="center", fontsize=SMALL, fontweight=weight
        )


def _numbered(table: Table, one: Assessment) -> str:
    return f"{table.definition.claim_number(one.claim.id)} {claim_label(table, one)}"


def _papers(one: Assessment) -> str:
    return "none" if one.paper_difference is None else f"{one.paper_difference:+z.1f}"


def _ours(one: Assessment) -> str:
    if one.mean is None:
        return "-"
    if one.low is None or one.high is None:
        return f"{one.mean:+z.1f} (n={len(one.seeds)})"
    return f"{one.mean:+z.1f} ({one.low:+z.1f} to {one.high:+z.1f}, n={len(one.seeds)})"


def _sentence(table: Table, one: Assessment) -> str:
    return f"{_numbered(table, one)}: paper {_papers(one)}, ours {_ours(one)}, {one.verdict}"
