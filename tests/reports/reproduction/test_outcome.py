from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reports.claims import Assessment, assess
from reports.definition import TableDefinition
from reports.reproduction.outcome import outcome
from reports.results import read_results
from reports.status import RunKey
from reports.table import Table
from reports.vocabulary import Verdict

YES, NO, OPEN = Verdict.REPLICATED, Verdict.NOT_REPLICATED, Verdict.INCONCLUSIVE


@pytest.fixture
def judged(
    runs: Path,
    put_result: Callable[..., Path],
    build: Callable[..., Table],
    all_available: TableDefinition,
) -> Callable[..., tuple[Table, list[Assessment]]]:
    """Give a function that makes a table with one run, and gives its claims these verdicts."""

    def judged(*verdicts: Verdict) -> tuple[Table, list[Assessment]]:
        put_result()
        claims = all_available.claims[: len(verdicts)]
        table = build(all_available.model_copy(update={"claims": claims}))
        found = assess(table, read_results(runs).frame)
        return table, [
            replace(one, verdict=verdict) for one, verdict in zip(found, verdicts, strict=True)
        ]

    return judged


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([YES, YES], "replicated"),
        ([YES, OPEN], "partial"),
        ([YES, NO], "partial"),
        ([NO, OPEN], "contradicted"),
        ([NO, NO], "contradicted"),
        ([OPEN, OPEN], "partial"),
        ([Verdict.NOT_RUN, Verdict.SINGLE_RUN], "partial"),
        ([], "partial"),
    ],
)
def test_a_table_s_status_follows_from_its_verdicts(
    judged: Callable[..., tuple[Table, list[Assessment]]], verdicts: list[Verdict], status: str
) -> None:
    found = outcome(*judged(*verdicts))
    assert found.status == status
    assert found.detail.startswith("1 of 8 cells have runs")


def test_verdicts_are_counted(judged: Callable[..., tuple[Table, list[Assessment]]]) -> None:
    found = outcome(*judged(YES, OPEN, YES))
    assert found.detail.endswith("3 claims: 2 replicated, 1 inconclusive")


def test_without_runs_nothing_was_attempted(
    build: Callable[..., Table], table3: TableDefinition, runs: Path
) -> None:
    table = build(table3)
    assert outcome(table, assess(table, read_results(runs).frame)).status == "not attempted"


def test_runs_of_another_configuration_are_outdated(
    put_result: Callable[..., Path],
    build: Callable[..., Table],
    table3: TableDefinition,
    runs: Path,
) -> None:
    put_result(config_sha256="a" * 64)
    table = build(table3, config_hashes={RunKey("baseline", "1x", 0): "b" * 64})
    assert outcome(table, assess(table, read_results(runs).frame)).status == "outdated"
