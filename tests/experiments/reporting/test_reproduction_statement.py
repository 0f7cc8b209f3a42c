from __future__ import annotations

from pathlib import Path

import pytest

from experiments.launch.tables import definitions
from experiments.reporting.reproduction_statement import paper_costs, regenerate

REPORTS = Path(__file__).parents[3] / "reports"


def test_costs_at_paper_scale_are_those_of_the_rates() -> None:
    (cost,) = paper_costs(definitions(["table7"]))
    # Two rows of BoxSeg with R-101 at 3x, three seeds: BoxTeacher's R-50 at 1x took 160 GPU hours.
    assert cost.runs == 6 and cost.without_estimate == 0
    assert cost.gpu_hours == pytest.approx(6 * 160 * 3 * 1.03 * 1.35)
    assert "BoxTeacher README" in cost.basis


def test_rows_that_are_not_built_cost_nothing() -> None:
    (table,) = definitions(["table1"])
    (cost,) = paper_costs([table], seeds=1)
    assert cost.runs == sum(row.unavailable is None for row in table.rows)


@pytest.mark.skipif(
    not (REPORTS / "REPRODUCTION.md").exists(), reason="no statement is committed yet"
)
def test_the_committed_statement_is_that_of_the_committed_records(tmp_path: Path) -> None:
    again = regenerate(tmp_path / "REPRODUCTION.md", REPORTS / "results")
    assert again.read_text() == (REPORTS / "REPRODUCTION.md").read_text()
