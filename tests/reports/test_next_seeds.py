"""What is printed after a table: seeds that give verdicts, their time, and the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.claims import assess
from reports.definition import TableDefinition
from reports.results import read_results
from reports.wording.claims import next_seeds

Put = Callable[..., Path]


@pytest.fixture
def sentence(runs: Path, build: Any, all_available: TableDefinition) -> Callable[..., str | None]:
    """Give a function that says what more seeds of table 3 would take."""

    def say(command: str, together: int = 2, scale: str = "mini") -> str | None:
        results = read_results(runs)
        table = build(all_available, scale)
        return next_seeds(
            [table], assess(table, results.frame), results, command, together=together
        )

    return say


def test_below_three_seeds_there_is_no_verdict(
    put_result: Put, sentence: Callable[..., str | None]
) -> None:
    for row in ("baseline", "boxteacher"):
        put_result(row=row, config_sha256=row.ljust(64, "0"), seconds=600.0)
    # Two runs of ten minutes are a seed; two more seeds, two runs at a time, take twenty.
    assert sentence("boxseg reproduce table3 --scale mini") == (
        "A verdict takes 3 seeds of each cell; 2 more take about 20 min with 2 at a time: "
        "boxseg reproduce table3 --scale mini --seeds 3"
    )


def test_a_run_that_cells_share_costs_once(
    put_result: Put, sentence: Callable[..., str | None]
) -> None:
    for row in ("baseline", "boxteacher"):
        put_result(row=row, seconds=600.0)
    assert "2 more take about 10 min with 2 at a time" in (sentence("boxseg") or "")


def test_from_three_seeds_on_power_says_how_many(
    put_result: Put, sentence: Callable[..., str | None]
) -> None:
    for row, level in (("baseline", 30.0), ("boxteacher", 31.0), ("qam", 31.5)):
        for seed, noise in enumerate((0.0, 0.9, -0.7)):
            put_result(
                row=row,
                seed=seed,
                config_sha256=row.ljust(64, "0"),
                seconds=3600.0,
                metrics={"segm/AP": level + noise * (1 + len(row) / 10)},
            )
    text = sentence("boxseg reproduce table3 --scale mini --seeds 3", together=1)
    assert text is not None
    assert text.startswith("80% power for the paper's effects takes up to ")
    wanted = int(text.rsplit(" ", 1)[1])
    assert wanted > 3
    assert f"{wanted - 3} more take about {(wanted - 3) * 3:.1f} h with 1 at a time" in text
    assert text.count("--seeds") == 1


def test_smoke_runs_promise_nothing(put_result: Put, sentence: Callable[..., str | None]) -> None:
    put_result(scale="smoke")
    put_result(scale="smoke", row="boxteacher")
    assert sentence("boxseg", scale="smoke") is None
