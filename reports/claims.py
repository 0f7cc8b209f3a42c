"""The paper's claims beside what our runs measured, each with a verdict and why it has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from reports.comparisons import Comparison, compare, design, evidence
from reports.controls import Controls
from reports.definition import Claim
from reports.spread import PooledError
from reports.statistics import CONFIDENCE, Interval, has_spread, mean
from reports.table import PAPER_SCALE, Cell, Table
from reports.verdict import LEVEL, SMOKE_SCALE, Evidence, PValues, untestable
from reports.vocabulary import Verdict


@dataclass(frozen=True)
class Prospects:
    """What as many seeds as a claim has can show of the paper's effect, and what it would take.

    Attributes:
        power: chance that the claim reads as replicated if the paper's effect is there and the
            error is what it was estimated to be.
        low, high: that chance at the two ends of the error's own 95% interval.
        seeds: per cell, for a power of 80%; None where more than `reports.comparisons.MOST_SEEDS`.
    """

    power: float
    low: float
    high: float
    seeds: int | None


@dataclass(frozen=True)
class Assessment:
    """A claim, what our runs measured of it, and the verdict.

    Attributes:
        table: the name of its table.
        scale: of the runs.
        claim: as the table's definition has it.
        basis: what it rests on, equal for claims that rest on the same two configurations in the
            same metric at the same scale; None where these are not known.
        paper_difference: AP points: the number in the paper's text, else the printed minuend minus
            the printed subtrahend, else None.
        paper_source: where that number came from, or why there is none.
        seeds: that both cells have, ascending; seeds that only one has are left out.
        differences: minuend minus subtrahend, AP points, one per seed.
        mean: of the differences; None without any.
        low, high: 95% t interval of their mean, with the pooled error, of this claim alone; None
            below two seeds.
        error: of a run, pooled over the column; None below two seeds.
        p_value, p_corrected: one-sided, against "not above zero", alone and corrected by Holm's
            procedure; None where the claim was not tested.
        prospects: None without an error, or without an effect of the paper's above zero.
        verdict: by the rule of `reports.verdict`.
        reason: for the verdict, without a full stop; names the seeds left out.
        runs: folders of the runs behind the differences, the minuend's first.
    """

    table: str
    scale: str
    claim: Claim
    basis: tuple[str, ...] | None
    paper_difference: float | None
    paper_source: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    error: PooledError | None
    p_value: float | None
    p_corrected: float | None
    prospects: Prospects | None
    verdict: Verdict
    reason: str
    runs: tuple[str, ...]


def assess(table: Table, frame: pd.DataFrame) -> tuple[Assessment, ...]:
    """Judge every claim of a table.

    Args:
        table: at one scale; the runs behind its cells are used, and no others.
        frame: as `reports.results.read_results` gives it; the controls are looked for in it.
    """
    shown = frame[frame["run"].isin({run for cell in table.cells for run in cell.runs})]
    comparisons = [compare(table, claim, shown) for claim in table.definition.claims]
    judged = {one.claim.id: _untested(one, table.scale) for one in comparisons}
    family = [one for one in comparisons if judged[one.claim.id] is None]
    p_values = {}
    if family:
        controls = Controls.among(frame, table.scale)
        known = evidence(family, table.definition.dataset)
        tests = PValues(known)
        for place, one in enumerate(family):
            reason = found_by_tests(known, tests, place, len(one.seeds), table.scale)
            judged[one.claim.id] = _gated(tests.verdict(place), reason, one, controls)
            p_values[one.claim.id] = float(tests.alone[place]), float(tests.above[place])
    prospects = _prospects(comparisons, table)
    return tuple(
        _assessment(
            table,
            one,
            judged[one.claim.id],
            p_values.get(one.claim.id, (None, None)),
            prospects.get(one.claim.id),
        )
        for one in comparisons
    )


def of_table(table: Table, assessments: Sequence[Assessment]) -> list[Assessment]:
    """Choose the assessments of a table at its scale."""
    return [one for one in assessments if (one.table, one.scale) == (table.name, table.scale)]


def counted_once(assessments: Sequence[Assessment]) -> list[Assessment]:
    """Leave out the claims that rest on the same two configurations as another.

    Of those that do, the first one that was run stands for all; of none that was run, the first.
    """
    chosen: dict[object, Assessment] = {}
    for number, one in enumerate(assessments):
        key = number if one.basis is None else one.basis
        if key not in chosen or (
            chosen[key].verdict is Verdict.NOT_RUN and one.verdict is not Verdict.NOT_RUN
        ):
            chosen[key] = one
    return list(chosen.values())


def _untested(one: Comparison, scale: str) -> tuple[Verdict, str] | None:
    """Give the verdict on a claim that cannot be tested, or None where it can."""
    if not one.seeds:
        return Verdict.NOT_RUN, not_run(one.cells)
    return untestable(one.differences, scale, one.same_data)


def _gated(
    verdict: Verdict, reason: str, one: Comparison, controls: Controls
) -> tuple[Verdict, str]:
    """Let the controls judge whether a claim that builds on a teacher can be judged."""
    if not one.builds_on_a_teacher:
        return verdict, reason
    run = one.runs.iloc[0]
    assay = controls.assay(run["iterations"], run["dataset"], run["split"])
    if assay.sensitive is False:
        return Verdict.NO_ASSAY_SENSITIVITY, f"{assay.reason}; apart from that, {reason}"
    return verdict, f"{reason}; {assay.reason}"


def _prospects(comparisons: Sequence[Comparison], table: Table) -> dict[str, Prospects]:
    """Say what the claims of a table can show whose error is known."""
    known = [
        one
        for one in comparisons
        if len(one.seeds) > 1
        and table.scale != SMOKE_SCALE
        and one.same_data
        and one.error is not None
        and has_spread(one.differences)
    ]
    if not known:
        return {}
    plan = design(known, table.definition.dataset)
    degrees = np.array([one.error.degrees for one in known if one.error is not None])
    plans = [plan, plan.with_larger_errors(degrees), plan.with_smaller_errors(degrees)]
    powers = {n: [one.powers(n) for one in plans] for n in {len(one.seeds) for one in known}}
    found = {}
    for place, (one, seeds) in enumerate(zip(known, plan.seeds_needed(), strict=True)):
        if one.number is not None and one.number > 0:
            power, low, high = (float(each[place]) for each in powers[len(one.seeds)])
            found[one.claim.id] = Prospects(power, low, high, seeds)
    return found


def _assessment(
    table: Table,
    one: Comparison,
    judged: tuple[Verdict, str] | None,
    p_values: tuple[float | None, float | None],
    prospects: Prospects | None,
) -> Assessment:
    assert judged is not None  # what could not be judged untested was tested
    verdict, reason = judged
    if one.unpaired:
        seeds = ", ".join(map(str, one.unpaired))
        reason += f"; left out, since only one of the two cells has them: seeds {seeds}"
    moved = one.seeds_on_two_processors
    if moved:
        reason += f"; run on two kinds of processor: seeds {', '.join(map(str, moved))}"
    interval = _interval(one)
    configurations = [cell.configuration for cell in one.cells]
    return Assessment(
        table=table.name,
        scale=table.scale,
        claim=one.claim,
        basis=(
            (table.scale, one.claim.metric, *(name for name in configurations if name))
            if all(configurations)
            else None
        ),
        paper_difference=one.number,
        paper_source=one.source,
        seeds=one.seeds,
        differences=one.differences,
        mean=mean(one.differences) if one.seeds else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        error=one.error if interval else None,
        p_value=p_values[0],
        p_corrected=p_values[1],
        prospects=prospects,
        verdict=verdict,
        reason=reason,
        runs=tuple(one.runs["run"][one.runs["seed"].isin(one.seeds)]),
    )


def _interval(one: Comparison) -> Interval | None:
    if len(one.seeds) < 2 or one.error is None:
        return None
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, one.error.degrees))
    half *= one.error.of_difference(len(one.seeds))
    return Interval(mean(one.differences) - half, mean(one.differences) + half)


def not_run(cells: Sequence[Cell]) -> str:
    """Say what two cells without a seed in common lack."""
    lacking = [
        f"{cell.row}, {cell.column}: {cell.absence}" for cell in cells if cell.absence is not None
    ]
    return "; ".join(lacking) or "no seed was run in both cells"


def found_by_tests(evidence: Evidence, tests: PValues, claim: int, seeds: int, scale: str) -> str:
    """Say what the tests found of one claim of a table, without a full stop.

    Args:
        evidence: of the table.
        tests: of it.
        claim: its place among the tested ones.
        seeds: that both its cells have.
        scale: of the table.
    """
    average, number = float(evidence.means[claim]), float(evidence.numbers[claim])
    found = f"mean difference {average:+z.2f} over {seeds} seeds"

    def p(one_sided: float, sides: str = "one-sided") -> str:
        value = "< 0.001" if one_sided < 0.001 else f"= {one_sided:.3f}"
        family = evidence.means.shape[-1]
        return f"({sides} p {value}" + (f", corrected for {family} claims)" if family > 1 else ")")

    if tests.below[claim] < LEVEL:
        return f"{found}, significantly below zero {p(tests.below[claim])}"
    judged = f"{'' if tests.above[claim] < LEVEL else 'not '}significantly above zero"
    judged += f" {p(tests.above[claim])}"
    if evidence.compared[claim]:
        off = average - number
        tolerance = max(evidence.fixed, 2 * float(evidence.errors[claim]))
        where = f"{abs(off):.2f} {'above' if off > 0 else 'below'} the paper's {number:+.1f}"
        if tests.outside[claim]:
            butnot = "" if tests.far[claim] < LEVEL else "but not "
            judged = f"{where} and so outside the tolerance of {tolerance:.2f}, "
            judged += f"{butnot}significantly {p(tests.far[claim], 'two-sided')}"
        else:
            judged = f"{where} and so within the tolerance of {tolerance:.2f}, {judged}"
    elif scale == PAPER_SCALE:
        judged += "; judged by its sign, the paper having no number on this dataset and split"
    if tests.no_large_effect[claim] and not np.isnan(number):
        judged += f"; within {number / 2:.2f} of zero, half of the paper's {number:+.1f}, "
        judged += f"significantly {p(tests.equivalent[claim], 'two one-sided tests:')}"
    return f"{found}, {judged}"
