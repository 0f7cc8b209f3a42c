from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reports.claims import assess
from reports.figures import Figure, all_figures
from reports.results import Results, read_results
from reports.table import Table
from tests.reports.figures.synthetic_runs import built, write_table

FIXTURE = Path(__file__).parents[1] / "fixture"


@dataclass(frozen=True)
class Report:
    """What a report has at hand, and the figures made of it."""

    runs: Path
    results: Results
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        return next(figure for figure in self.figures if figure.name == name)

    @property
    def names(self) -> list[str]:
        return [figure.name for figure in self.figures]


def report(runs: Path, *names: str) -> Report:
    results = read_results(runs)
    tables = tuple(built(runs, results, name) for name in names)
    assessments = [one for table in tables for one in assess(table, results.frame)]
    return Report(runs, results, tables, all_figures(tables, assessments, results, runs))


@pytest.fixture(scope="session")
def fixture_report() -> Report:
    """The figures of two tables of the invented results."""
    return report(FIXTURE, "table3", "table4")


@pytest.fixture(scope="session")
def table4(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Table 4 of three seeds with logs, without its figures."""
    runs = tmp_path_factory.mktemp("runs")
    write_table(runs, "table4")
    results = read_results(runs)
    return Report(runs, results, (built(runs, results, "table4"),), ())
