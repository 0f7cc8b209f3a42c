"""The statement's sections on results: tables, figures, claims, compute, environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.claims import Assessment, of_table
from reports.definition import CellRef
from reports.formats.markdown import items, rows_table, table_lines, text, written
from reports.reproduction.outcome import PaperCost, Spent, outcome
from reports.reproduction.statements import HiddenSplit, PaperFigure
from reports.results import Results
from reports.table import PAPER_SCALE, Table
from reports.vocabulary import Outcome, Verdict
from reports.wording.claims import how_to_read_claims, our_difference, prospects, signed
from reports.wording.why import explain_verdicts

MOST_MISFILLED = 10
"""Per cent of the large objects whose masks may be hollow or full before a run is named."""


def tables_section(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    hidden: Sequence[HiddenSplit],
    costs: Sequence[PaperCost],
) -> list[str]:
    """List every table at every scale with its status."""
    cost = {one.table: f"about {one.gpu_hours:,.0f} GPU hours for {one.runs} runs" for one in costs}
    body = []
    for table in tables:
        found = outcome(table, assessments)
        detail = found.detail
        if found.status in (Outcome.NOT_ATTEMPTED, Outcome.OUTDATED):
            detail = "no runs that a cell shows"
            if table.rejected:
                detail += f", {len(table.rejected)} results left out"
            if table.scale == PAPER_SCALE:
                detail += f"; would take {cost.get(table.name, 'an unknown time')}"
        title = f"{table.name}: {text(table.definition.title)}"
        body.append([title, table.scale, f"**{found.status}**", detail])
        definition = table.definition
        for split in hidden:
            same = (definition.dataset, definition.split) == (split.dataset, split.split)
            if table.scale == PAPER_SCALE and same:
                detail = f"{written(split.why)} {written(split.instead)}"
                body.append([title, split.split, f"**{Outcome.IMPOSSIBLE}**", detail])
    return table_lines(["Table", "Scale or split", "Status", "What there is"], body)


def figures_section(figures: Sequence[PaperFigure]) -> list[str]:
    """List every figure of the paper with its status."""
    body = [
        [one.figure, written(one.shows), f"**{one.status}**", written(one.here)] for one in figures
    ]
    return table_lines(["Figure", "Shows", "Status", "Here"], body)


def claims_section(
    tables: Sequence[Table], assessments: Sequence[Assessment], results: str
) -> list[str]:
    """List every claim at every scale; a table none of whose claims was run takes one line.

    `results` is the folder of the runs as the statement links it.
    """
    lines = []
    for scale in dict.fromkeys(table.scale for table in tables):
        lines += [f"### Claims at {scale} scale", "", text(how_to_read_claims(scale)), ""]
        for table in (one for one in tables if one.scale == scale):
            own = of_table(table, assessments)
            if not own:
                continue
            if all(one.verdict is Verdict.NOT_RUN for one in own):
                numbers = [table.definition.claim_number(one.claim.id) for one in own]
                span = f"{numbers[0]} to {numbers[-1]}" if len(own) > 1 else numbers[0]
                lines += [f"{table.name}: claims {span}: **not run**.", ""]
                continue
            lines += [f"{table.name}:", "", *_judged(table, own, results), ""]
    return lines


def own_tables_section(
    tables: Sequence[Table], assessments: Sequence[Assessment], results: str
) -> list[str]:
    """Give the tables of this suite that no table of the paper is like, as far as they have runs.

    Args:
        tables: none of them of the paper.
        assessments: of their claims.
        results: the folder of the runs as the statement links it.
    """
    lines = ["They are none of the paper's, and their claims are in no count of the paper's."]
    for table in tables:
        if any(cell.runs for cell in table.cells):
            definition = table.definition
            lines += ["", f"### {table.name}: {text(definition.title)}, {table.scale} scale", ""]
            lines += [text(definition.caption), "", *rows_table(table)]
            if own := of_table(table, assessments):
                lines += ["", *_judged(table, own, results)]
    return lines if len(lines) > 1 else [*lines, "", "None has runs yet."]


def _judged(table: Table, claims: Sequence[Assessment], results: str) -> list[str]:
    """Write the claims of a table with their verdicts, a line each."""
    body = [
        [
            table.definition.claim_number(one.claim.id),
            text(one.claim.text),
            signed(one.paper_difference, 1),
            our_difference(one),
            f"**{one.verdict}**",
            text(" ".join((f"{one.reason}.", *prospects(one)))),
            " minus ".join(
                _cell_link(table, cell, one, results)
                for cell in (one.claim.minuend, one.claim.subtrahend)
            ),
        ]
        for one in claims
    ]
    head = ["Claim", "Statement", "Paper", "Ours", "Verdict", "Why", "Cells"]
    return table_lines(head, body)


def why_section(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    controls: Sequence[Table],
    results: Results,
) -> list[str]:
    """Give the evidence of each family of claims, at every scale that has runs."""
    lines = ["What explains the verdicts, by the part of the method that claims are about."]
    for scale in dict.fromkeys(table.scale for table in tables):
        here = [table for table in tables if table.scale == scale]
        if not any(cell.runs for table in here for cell in table.cells):
            lines += ["", f"At {scale} scale there are no runs yet."]
            continue
        judge = next((table for table in controls if table.scale == scale), None)
        for why in explain_verdicts(here, assessments, judge, results):
            lines += ["", f"### {why.title}, {scale} scale", ""]
            lines.append(text(why.sentences[0]))
            for table in why.tables:
                body = [[text(cell) for cell in row] for row in table.rows]
                lines += ["", f"{text(table.caption)}:", ""]
                lines += table_lines([text(head) for head in table.head], body)
            if why.sentences[1:]:
                lines += ["", *items([text(sentence) for sentence in why.sentences[1:]])]
    return lines


def _cell_link(table: Table, cell: CellRef, one: Assessment, results: str) -> str:
    name = f"{cell.row}, {cell.column}"
    folder = f"{table.scale}/{table.name}/{cell.row}/{cell.column}"
    if not any(run.startswith(f"{folder}/") for run in one.runs):
        return name
    return f"[{name}]({results}/{folder})"


def mask_fill_section(tables: Sequence[Table], frame: pd.DataFrame) -> list[str]:
    """Name the runs in `tables` that learnt masks of large objects that no object has.

    Below 0.3 of its box a mask is an outline, above 0.9 the box (`boxseg.engine.mask_fill`); a run
    is named where more than `MOST_MISFILLED` per cent are. `frame` is as `read_results` gives it.
    """
    shown = {run for table in tables for cell in table.cells for run in cell.runs}
    metrics = ["predicted/hollow", "predicted/full", "segm/AP"]
    own = frame[frame["run"].isin(shown) & frame["metric"].isin(metrics)]
    # Runs of one configuration are one, in as many folders as tables show it.
    told = own.sort_values("run").drop_duplicates(["config_sha256", "seed", "started", "metric"])
    values = told.pivot(index="run", columns="metric", values="value").reindex(columns=metrics)
    values = values.dropna(subset="predicted/hollow").astype(float)
    found = values[(values[metrics[:2]] > MOST_MISFILLED).any(axis=1)]
    lines = [
        f"Of {len(values)} runs in tables that say how much of its box a large object's mask "
        f"fills, {len(found)} have more than {MOST_MISFILLED}% of them below 0.3 (hollow) or above "
        "0.9 (full)."
    ]
    if len(found):
        body = [
            [f"`{run}`", *("" if pd.isna(value) else f"{value:.1f}" for value in row)]
            for run, *row in found.itertuples()
        ]
        head = ["Run", "Hollow, %", "Full, %", "Mask AP"]
        lines += ["", *table_lines(head, body)]
    return lines


def compute_section(
    taken: Sequence[Spent], costs: Sequence[PaperCost], gpus: Sequence[int]
) -> list[str]:
    """Say what the recorded runs took and what the paper's scale would take."""
    body = [
        [one.table, one.scale, str(one.runs), f"{one.hours:.2f}", str(one.failed + one.diverged)]
        for one in taken
    ]
    total = [
        "all",
        "",
        str(sum(one.runs for one in taken)),
        f"{sum(one.hours for one in taken):.2f}",
        str(sum(one.failed + one.diverged for one in taken)),
    ]
    head = ["Table", "Scale", "Finished runs", "Hours", "Failed or diverged"]
    lines = [
        *table_lines(head, [*body, total]),
        "",
        "Hours are the sum of the `seconds` of the finished runs' records, shown in a table or "
        "left out of it as outdated: wall time of training and evaluation, one after the other. "
        "Failed and diverged runs are counted; their time, "
        "and that of runs whose results were replaced, is not in the records, so the sum is a "
        "lower bound. A run that several tables show is counted in the first of them.",
        "",
    ]
    if costs:
        lines += ["To reproduce at paper scale, estimated:", ""]
        body = [
            [one.table, _runs_text(one), f"{one.gpu_hours:,.0f}"]
            + [f"{one.gpu_hours / count:,.0f} h" for count in gpus]
            for one in costs
        ]
        runs = sum(one.runs - one.shared_runs for one in costs)
        hours = sum(one.gpu_hours - one.shared_gpu_hours for one in costs)
        body.append(
            ["all", str(runs), f"{hours:,.0f}"] + [f"{hours / count:,.0f} h" for count in gpus]
        )
        lines += table_lines(["Table", "Runs", "GPU hours", *map(_on_gpus, gpus)], body)
        lines += ["", "A run that several tables show is trained once, and counts once in the sum."]
        lines += ["", *items(list(dict.fromkeys(text(one.basis) for one in costs)))]
    return lines


def _runs_text(cost: PaperCost) -> str:
    lacking = f" ({cost.without_estimate} without estimate)" if cost.without_estimate else ""
    return f"{cost.runs}{lacking}"


def _on_gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def environment_section(tables: Sequence[Table]) -> list[str]:
    """Name versions, commits and data of the runs behind the tables."""

    def each_once(texts: Iterable[str]) -> str:
        return "; ".join(dict.fromkeys(texts)) or "none"

    newest = [table.newest_run for table in tables if table.newest_run is not None]
    return items(
        [
            "Suite: boxseg " + each_once(table.suite_version for table in tables),
            "Software: " + each_once(one for table in tables for one in table.environments),
            "Commits: " + each_once(one for table in tables for one in table.commits),
            "Evaluated on: " + each_once(one for table in tables for one in table.evaluated_on),
            f"Newest run: {max(newest):%Y-%m-%d %H:%M UTC}" if newest else "Newest run: none",
            "Every package with its hash: [requirements/lock.txt](../requirements/lock.txt)",
        ]
    )
