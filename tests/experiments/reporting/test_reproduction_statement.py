from __future__ import annotations

from pathlib import Path

import pytest

from experiments.launch.tables import definitions
from experiments.reporting.committed import is_of_a_checkout, write_answer
from experiments.reporting.reproduction_statement import paper_costs, regenerate

REPOSITORY = Path(__file__).parents[3]
REPORTS = REPOSITORY / "reports"


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


def test_the_committed_answer_is_that_of_the_committed_records(tmp_path: Path) -> None:
    """The text; the figure's pixels are the machine's, and all it shows is in its alt text."""
    readme = tmp_path / "README.md"
    readme.write_text((REPOSITORY / "README.md").read_text())
    written = write_answer(readme, REPORTS / "results")
    assert readme.read_text() == (REPOSITORY / "README.md").read_text()
    there = [(REPOSITORY / file.relative_to(tmp_path)).is_file() for file in written]
    assert there == [True, True]


def test_only_the_records_of_a_checkout_have_pages_made_of_them(tmp_path: Path) -> None:
    assert is_of_a_checkout(REPORTS / "results")
    assert not is_of_a_checkout(tmp_path / "runs")
