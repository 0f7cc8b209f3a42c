"""Why the verdicts of a family of claims are what they are: the families, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.claims import Assessment, of_table
from reports.controls import reference_effects
from reports.definition import CellRef
from reports.result_file import AGREEMENT, RANK_CORRELATION, calibration_error, pooled
from reports.results import Results
from reports.statistics import mean, paired_differences, sample_sd
from reports.table import Table
from reports.trivial_masks import BOX, ELLIPSE, GRABCUT, LABELS, values_of
from reports.vocabulary import Verdict
from reports.wording.cells import effect_text
from reports.wording.claims import our_difference, signed

_PSEUDO = {
    "pseudo/IoU-all": "all objects",
    "pseudo/valid": "labelled",
    RANK_CORRELATION: "rank correlation",
}
_PARTS = {
    "segm/AP": "mask AP",
    "segm/APs": "small",
    "segm/APm": "medium",
    "segm/APl": "large",
    "bbox/AP": "box AP",
    "segm/AP@similar-background": "similar background",
    "segm/AP@overlap-inter-class": "overlap, other class",
    "segm/AP@overlap-intra-class": "overlap, same class",
}


@dataclass(frozen=True)
class Family:
    """Claims on one part of the method.

    Attributes:
        name: in links, too.
        title: of its section.
        question: that its claims answer.
        claims: ids by table; None stands for all of a table's.
        controls: rows of the table of controls that bear on it.
        besides: metrics that are shown of its pseudo masks besides, the head of their column and
            what they tell.
    """

    name: str
    title: str
    question: str
    claims: Mapping[str, tuple[str, ...] | None]
    controls: tuple[str, ...]
    besides: Mapping[str, tuple[str, str]] = field(default_factory=dict)


_TEACHER = (
    "qam-over-baseline-1x",
    "qam-over-baseline-3x",
    "qam-over-boxteacher-1x",
    "qam-over-boxteacher-3x",
    "boxteacher-over-baseline-1x",
    "boxteacher-over-baseline-3x",
)

FAMILIES = (
    Family(
        "pseudo-masks",
        "A teacher's pseudo masks",
        "Do a teacher's masks teach what boxes do not, and are QAM's better than BoxTeacher's?",
        {"table3": _TEACHER, "table4": ("bpma-over-baseline-1x", "bpma-over-baseline-3x")},
        ("oracle", "oracle-half", "trimmed", "eroded", "boxteacher", "qam"),
    ),
    Family(
        "ranking",
        "Ranking by boxes (BQR)",
        "Is the mask of the best box better than the one that BoxTeacher assigns?",
        {"table4": ("bqr-over-bpma-1x", "bqr-over-bpma-3x")},
        ("bqr", "bqr-centerness", "qam-confident", "bpma-released"),
    ),
    Family(
        "fusion",
        "Fusion of candidates (QMF)",
        "Is a weighted mean of several candidates better than the best one?",
        {"table4": ("qmf-1x", "qmf-3x")},
        ("qam-vote", "tau-0.1", "tau-0.2", "tau-0.3", "tau-0.5"),
        {AGREEMENT: ("agreement", "how far the candidates of an object agree with one another")},
    ),
    Family(
        "scoring",
        "Scoring of masks (MQS)",
        "Does the quality tell good pseudo masks from bad ones, and does weighing by it help?",
        {"table4": ("mqs-1x", "mqs-3x")},
        ("qam-agreement", "qam-unweighted", "boxteacher-unweighted"),
    ),
    Family(
        "adaptive-k",
        "Adaptive number of candidates",
        "Should small objects have fewer candidates than large ones?",
        {"table7": None},
        ("k-1", "k-2", "k-5", "k-10", "k-20", "qam-area-k"),
    ),
    Family(
        "peers",
        "Copy-paste of peers (PC)",
        "Does pasting well segmented objects over others add more than any pasting does?",
        {
            "table3": ("pc-over-qam-1x", "pc-over-qam-3x"),
            "table5": None,
            "table6": ("pc-in-boxinst", "pc-in-sim"),
            "table8": None,
        },
        ("pc", "pc-0.1", "pc-0.35", "pc-always", "pc-released", "pc-unpasted-colors"),
    ),
)


@dataclass(frozen=True)
class TextTable:
    """A table of words: what it shows, its head, its rows of as many texts."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Why:
    """A family's section: sentences, then tables."""

    name: str
    title: str
    sentences: tuple[str, ...]
    tables: tuple[TextTable, ...]


def explain_verdicts(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    controls: Table | None,
    results: Results,
) -> tuple[Why, ...]:
    """Gather the evidence of every family that has claims in the tables.

    Args:
        tables: of the paper, at one scale.
        assessments: of their claims.
        controls: the table of controls at that scale.
        results: the runs that the tables show are in it.
    """
    found = []
    for family in FAMILIES:
        claims = [
            (table, one)
            for table in tables
            if table.name in family.claims
            for one in of_table(table, assessments)
            if (named := family.claims[table.name]) is None or one.claim.id in named
        ]
        if claims:
            found.append(_why(family, claims, controls, results))
    return tuple(found)


def _why(
    family: Family,
    claims: Sequence[tuple[Table, Assessment]],
    controls: Table | None,
    results: Results,
) -> Why:
    run = [(table, one) for table, one in claims if one.verdict is not Verdict.NOT_RUN]
    sentences = [family.question]
    if not run:
        numbers = ", ".join(_number(table, one) for table, one in claims)
        sentences.append(f"None of its claims was run: {numbers}.")
    sentences += _controls(family, controls)
    recorded = _recorded(run, results.frame)
    besides = {metric: words for metric, words in family.besides.items() if metric in recorded}
    sentences += [
        f"In no record: {meaning}."
        for metric, (_, meaning) in family.besides.items()
        if metric not in recorded
    ]
    masks = _pseudo_masks(run, results, besides)
    parts = [_verdicts(run), masks, _differences(run, results.frame)]
    shown = tuple(one for one in parts if one is not None and one.rows)
    return Why(family.name, family.title, tuple(sentences), shown)


def _number(table: Table, one: Assessment) -> str:
    return table.definition.claim_number(one.claim.id)


def _verdicts(claims: Sequence[tuple[Table, Assessment]]) -> TextTable:
    rows = (
        (
            _number(table, one),
            one.claim.text,
            signed(one.paper_difference, 1),
            our_difference(one),
            str(one.verdict),
        )
        for table, one in claims
    )
    head = ("Claim", "Statement", "Paper", "Ours", "Verdict")
    return TextTable("Its claims that were run", head, tuple(rows))


def _cells(table: Table, one: Assessment) -> list[tuple[CellRef, tuple[str, ...]]]:
    """Give the two cells that a claim compares, each with the runs that it shows."""
    claim = one.claim
    cells = (claim.minuend, claim.subtrahend)
    return [(at, table.cell(at.row, at.column, claim.metric).runs) for at in cells]


def _recorded(claims: Sequence[tuple[Table, Assessment]], frame: pd.DataFrame) -> set[str]:
    """Name the metrics that a run of the claims' cells has a value of."""
    runs = [run for table, one in claims for _, shown in _cells(table, one) for run in shown]
    return set(frame[frame["run"].isin(runs)].dropna(subset="value")["metric"])


def _pseudo_masks(
    claims: Sequence[tuple[Table, Assessment]],
    results: Results,
    besides: Mapping[str, tuple[str, str]],
) -> TextTable | None:
    """Give the pseudo masks of all rows that the claims compare, above those of a box alone."""
    columns = _PSEUDO | {metric: head for metric, (head, _) in besides.items()}
    frame = results.frame
    rows: dict[tuple[str, str], tuple[str, ...]] = {}
    used: list[str] = []
    for table, one in claims:
        labels = {row.name: row.label for row in table.definition.rows}
        for cell, runs in _cells(table, one):
            own = frame[frame["run"].isin(runs)]
            if own[own["metric"] == "pseudo/IoU-all"]["value"].dropna().empty:
                continue
            bins = [results.calibration[run] for run in runs if run in results.calibration]
            error = f"{calibration_error(pooled(bins)):.2f}" if bins else "-"
            name = f"{labels[cell.row]}, {cell.column}"
            values = [_mean(own, metric) for metric in columns]
            rows[table.name, name] = (f"{table.name}: {name}", *values, error, str(len(runs)))
            used += runs
    if not rows:
        return None
    trivial = values_of(frame[frame["run"].isin(used)])
    without = tuple("-" for _ in range(len(columns) + 1))
    below = (
        (LABELS[metric], f"{trivial[metric]:.1f}", *without)
        for metric in (BOX, ELLIPSE, GRABCUT)
        if metric in trivial
    )
    caption = (
        "Pseudo masks at the end of training: mean IoU with the true masks over all objects (0 "
        "where an object has none), share of objects that have one, Spearman's correlation of "
        "quality and IoU (all in per cent, mean ± sd over seeds), expected calibration error of "
        "the quality; below, masks for which nothing was trained"
    )
    caption += "".join(f"; {head}: {meaning}, in per cent" for head, meaning in besides.values())
    head = ("Row", *columns.values(), "calibration error", "n")
    return TextTable(caption, head, (*rows.values(), *below))


def _differences(
    claims: Sequence[tuple[Table, Assessment]], frame: pd.DataFrame
) -> TextTable | None:
    """Give the claims' differences by size of objects, in boxes, and by situation."""
    rows = []
    for table, one in claims:
        pair = [frame[frame["run"].isin(runs)] for _, runs in _cells(table, one)]
        rows.append((_number(table, one), *(_difference(pair, metric) for metric in _PARTS)))
    if not rows:
        return None
    caption = "The same differences in parts: mean over seeds, paired, in points"
    return TextTable(caption, ("Claim", *_PARTS.values()), tuple(rows))


def _difference(pair: Sequence[pd.DataFrame], metric: str) -> str:
    by_seed: list[Mapping[int, float]] = [
        dict(zip(own["seed"].tolist(), own["value"].tolist(), strict=True))
        for runs in pair
        for own in [runs[runs["metric"] == metric].dropna(subset="value")]
    ]
    found = paired_differences(*by_seed).differences
    return signed(mean(found), 1) if found else "-"


def _mean(runs: pd.DataFrame, metric: str) -> str:
    values = runs[runs["metric"] == metric]["value"].dropna().tolist()
    if not values:
        return "-"
    sd = sample_sd(values)
    return f"{mean(values):.1f}" + ("" if sd is None else f" ± {sd:.1f}")


def _controls(family: Family, controls: Table | None) -> Iterable[str]:
    """Say what each control measured, and which were not run."""
    effects = [] if controls is None else reference_effects(controls)
    if controls is not None:
        labels = {row.name: row.label for row in controls.definition.rows}
        for name in family.controls:
            own = [one for one in effects if one.row == name]
            if own:
                said = "; ".join(f"{one.column} {effect_text(one)}" for one in own)
                yield f"Control: {labels[name]} minus {labels[own[0].reference]}, mask AP: {said}."
    measured = {one.row for one in effects}
    lacking = [name for name in family.controls if name not in measured]
    if lacking:
        yield f"Controls that were not run: {', '.join(lacking)}."
