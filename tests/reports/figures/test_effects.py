from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reports.claims import Assessment, assess
from reports.figures.effects import SHORT, Group, draw_effects, effect_figures
from reports.table import Table
from reports.vocabulary import Verdict
from reports.wording.claims import claim_label
from tests.reports.figures.conftest import Report
from tests.reports.figures.synthetic_runs import built


@pytest.fixture(scope="module")
def assessments(fixture_report: Report) -> tuple[Assessment, ...]:
    frame = fixture_report.results.frame
    return tuple(one for table in fixture_report.tables for one in assess(table, frame))


def groups_of(tables: tuple[Table, ...], assessments: tuple[Assessment, ...]) -> list[Group]:
    return [
        Group(table, tuple(a for a in assessments if a.table == table.name and a.seeds), 0)
        for table in tables
    ]


def test_each_claim_has_our_interval_and_the_paper_s_mark(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    groups = groups_of(fixture_report.tables, assessments)
    axes = draw_effects("heading", groups).axes[0]
    lines = {}
    for line in axes.lines:
        for x, y in np.asarray(line.get_xydata()):
            lines.setdefault(y, []).append((x, line.get_marker()))
    drawn = 0
    place = 0
    for group in groups:
        for one in group.assessed:
            place += 1
            marks = lines[place]
            assert (one.mean, "o") in marks
            assert {x for x, marker in marks if marker == "|"} == {one.low, one.high}
            papers = [x for x, marker in marks if marker == "D"]
            expected = [] if one.paper_difference is None else [one.paper_difference]
            assert papers == expected
            drawn += 1
        place += 1
    assert drawn == sum(1 for one in assessments if one.seeds) > 10


def test_verdicts_stand_in_words(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    axes = draw_effects("heading", groups_of(fixture_report.tables, assessments)).axes[0]
    texts = [text.get_text() for text in axes.texts]
    for verdict in Verdict:
        expected = sum(1 for one in assessments if one.seeds and one.verdict is verdict)
        assert texts.count(SHORT.get(verdict, str(verdict))) == expected
    assert texts.count("replicated") > 3 and texts.count("not replicated") > 0


def test_one_run_has_no_interval(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    single = replace(
        assessments[0], seeds=(0,), low=None, high=None, verdict=Verdict.SINGLE_RUN, mean=1.3
    )
    axes = draw_effects("heading", [Group(fixture_report.tables[0], (single,), 0)]).axes[0]
    assert [line.get_marker() for line in axes.lines].count("|") == 0
    assert {"+1.3 (n=1)", "single run"} <= {text.get_text() for text in axes.texts}


@pytest.mark.parametrize(("mean", "arrow"), [(-24.5, "<"), (22.7, ">")])
def test_a_single_run_far_away_does_not_widen_the_axis(
    fixture_report: Report, assessments: tuple[Assessment, ...], mean: float, arrow: str
) -> None:
    table = fixture_report.tables[0]
    others = groups_of((table,), assessments)[0].assessed
    axes = draw_effects("heading", [Group(table, others, 0)]).axes[0]
    alone = replace(others[0], seeds=(0,), low=None, high=None, mean=mean, paper_difference=None)
    with_it = draw_effects("heading", [Group(table, (*others, alone), 0)]).axes[0]
    assert with_it.get_xlim() == pytest.approx(axes.get_xlim())
    edge = with_it.get_xlim()[0 if mean < 0 else 1]
    (drawn,) = [line for line in with_it.lines if line.get_marker() == arrow]
    assert drawn.get_xdata()[0] == pytest.approx(edge)
    assert f"{mean:+.1f} (n=1)" in {text.get_text() for text in with_it.texts}


def test_claims_that_were_not_run_are_counted(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    (figure,) = effect_figures(fixture_report.tables, assessments)
    lacking = sum(1 for one in assessments if one.table == "table4" and not one.seeds)
    assert lacking > 0
    assert f"{lacking} more of Table 4" in figure.caption
    none = [replace(one, mean=None, low=None, high=None) for one in assessments]
    assert effect_figures(fixture_report.tables, none) == []
    assert effect_figures(fixture_report.tables, ()) == []


def test_assessments_of_another_scale_or_table_are_not_drawn(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    foreign = [replace(one, scale="paper") for one in assessments]
    assert effect_figures(fixture_report.tables, foreign) == []
    (figure,) = effect_figures(fixture_report.tables[:1], assessments)
    assert "Table 4" not in figure.svg


def test_many_claims_take_several_sheets_and_none_is_lost(
    fixture_report: Report, assessments: tuple[Assessment, ...]
) -> None:
    table = fixture_report.tables[0]
    of_table = [one for one in assessments if one.table == table.name and one.seeds]
    tables = [
        replace(table, definition=table.definition.model_copy(update={"name": f"copy{number}"}))
        for number in range(5)
    ]
    many = [replace(one, table=copy.name) for copy in tables for one in of_table]
    figures = effect_figures(tables, many)
    # Eleven lines a table, 34 a sheet.
    assert [figure.name for figure in figures] == ["effects-1", "effects-2"]
    assert sum(figure.alt.count("ours") - 1 for figure in figures) == len(many)


def test_names_of_claims(fixture_report: Report) -> None:
    table1 = built(fixture_report.runs, fixture_report.results, "table1")
    labels = {
        one.claim.id: claim_label(table1, one)
        for one in assess(table1, fixture_report.results.frame)
    }
    assert labels["boxseg-r101-dcn-3x-over-boxteacher-r101-dcn-3x"] == (
        "boxseg over boxteacher, r101-dcn-3x"
    )
    assert labels["large-boxseg-r50-1x-over-boxteacher-r50-1x"] == (
        "boxseg over boxteacher, r50-1x, AP (large)"
    )
    table3 = fixture_report.tables[0]
    first = assess(table3, fixture_report.results.frame)[0]
    assert claim_label(table3, first) == "qam over baseline, 1x"
