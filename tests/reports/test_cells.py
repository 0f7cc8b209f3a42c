"""Differences of controls from their references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.controls import reference_effects
from reports.definition import TableDefinition, load_definition
from reports.formats.html import render_html_section
from reports.formats.markdown import render_markdown
from reports.reproduction.statement import control_effects
from reports.reproduction.statements import load_statements
from reports.wording.cells import effect_lines

CONTROLS = Path(__file__).parents[2] / "experiments" / "conf" / "table" / "controls.yaml"


@pytest.fixture
def controls() -> TableDefinition:
    return load_definition(CONTROLS)


@pytest.fixture
def put(put_result: Any) -> Any:
    """Give a function that writes a run of the controls with this mask AP."""

    def write(row: str, seed: int, ap: float, column: str = "1x") -> None:
        put_result(table="controls", row=row, column=column, seed=seed, metrics={"segm/AP": ap})

    return write


def test_they_are_paired_by_seed(put: Any, build: Any, controls: TableDefinition) -> None:
    for seed, difference in enumerate((1.2, 1.1, 1.0)):
        put("qam", seed, 36.0 - seed)
        put("tau-0.2", seed, 36.0 - seed + difference)
    put("tau-0.2", 7, 99.0)  # which the reference has not
    put("k-5", 9, 30.0)  # no seed in common
    (effect,) = reference_effects(build(controls))
    assert (effect.row, effect.reference, effect.column) == ("tau-0.2", "qam", "1x")
    assert effect.differences == pytest.approx((1.2, 1.1, 1.0))
    # Mean 1.1; sd 0.1, so half of the interval is 4.303 x 0.1 / sqrt(3) = 0.248.
    assert effect_lines(build(controls)) == ["QAM, tau 0.2 minus QAM, 1x: +1.10 [0.85, 1.35] (n=3)"]


def test_every_format_shows_them(put: Any, build: Any, controls: TableDefinition) -> None:
    for column in ("1x", "3x"):
        put("boxinst", 0, 30.0, column)
        put("boxteacher", 0, 31.5, column)
    table = build(controls)
    for render in (render_markdown, render_html_section):
        shown = " ".join(render(table).split())
        assert "Differences from the reference" in shown
        for column in ("1x", "3x"):
            line = f"BoxTeacher (BPMA + MCS) minus Box-supervised loss (BoxInst), {column}"
            assert f"{line}: +1.50 (n=1)" in shown


def test_a_table_without_references_shows_none(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(row="qam", metrics={"segm/AP": 30.0})
    table = build(table3)
    assert reference_effects(table) == []
    assert "Differences from the reference" not in render_markdown(table)


def test_a_deviation_reads_the_effects_of_its_controls(
    put: Any, build: Any, controls: TableDefinition
) -> None:
    before = build(controls)
    assert control_effects((), [before]) == "unmeasured"
    assert control_effects(("qam-area-k",), [before]) == "unmeasured (control `qam-area-k`)"
    rows = ("tau-0.1", "tau-0.2")
    expected = "unmeasured (controls `tau-0.1`, `tau-0.2`)"
    assert control_effects(rows, [before]) == expected
    put("qam", 0, 36.0)
    put("tau-0.2", 0, 35.5)
    after = build(controls)
    assert control_effects(rows, [after]) == "`tau-0.2` -0.50 (n=1), mini 1x"
    assert control_effects(rows, []) == expected


def test_statements_name_rows_of_the_table_with_a_reference(controls: TableDefinition) -> None:
    said = load_statements()
    named = {row for one in (*said.deviations, *said.code_differences) for row in one.controls}
    assert len(named) > 30
    assert named <= {row.name for row in controls.rows if row.reference is not None}
