from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.definition import TableDefinition
from reports.spread import PooledError
from reports.table import Table
from reports.wording.tables import header, provenance

HOST = {"python": "3.11", "torch": "2", "detectron2": "0.7", "device": "cpu"}


def spread_line(table: Table) -> str:
    (line,) = (words for word, words in header(table) if word == "Spread of runs")
    return line


def test_seeds_images_and_processors_are_told_apart(
    put_result: Callable[..., Path], build: Any, all_available: TableDefinition
) -> None:
    values = {"baseline": [30.0, 32.0, 34.0], "boxteacher": [31.0, 33.0, 38.0]}
    values["qam"] = [32.0, 34.0, 36.0]
    for row, scores in values.items():
        for seed, value in enumerate(scores):
            put_result(
                row=row,
                seed=seed,
                metrics={"segm/AP": value},
                config_sha256=f"{row}-{seed}",
                environment={**HOST, "host": "A, 2 cores"},
                bootstrap={"segm/AP": 0.4 if row == "qam" else 0.7},
            )
    # Another table trains one of them again: on another processor, and on the same.
    for seed, machine, value in ((0, "B", 33.0), (1, "A", 50.0)):
        put_result(
            table="table4",
            seed=seed,
            metrics={"segm/AP": value},
            config_sha256=f"baseline-{seed}",
            environment={**HOST, "host": f"{machine}, 8 cores"},
        )
    table = build(all_available)
    (spread,) = table.spreads
    assert (spread.column, spread.iterations, spread.metric) == ("1x", 600, "segm/AP")
    # By hand in test_pooling.
    assert spread.seeds == PooledError(pytest.approx(1.0), 4)
    assert spread.images == pytest.approx((6 * 0.7 + 3 * 0.4) / 9)
    # 30 and 33 on two processors: squares 4.5 on one degree.
    assert spread.processors == PooledError(pytest.approx(4.5**0.5), 1)
    assert spread_line(table) == (
        "AP, 1x, 600 iterations: sd 1.00 between seeds (4 degrees of freedom), "
        "0.60 from the choice of images, 2.12 between processors (1 degrees of freedom)"
    )


def test_a_run_that_was_repeated_elsewhere_is_in_no_cell(
    put_result: Callable[..., Path], build: Any, all_available: TableDefinition
) -> None:
    put_result(metrics={"segm/AP": 30.0}, environment={**HOST, "host": "A, 2 cores"})
    put_result(
        at="mini/table3/baseline/1x/seed0/repeats/b",
        metrics={"segm/AP": 33.0},
        environment={**HOST, "host": "B, 2 cores"},
    )
    table = build(all_available)
    assert [cell.mean for cell in table.cells if cell.mean is not None] == [30.0]
    assert table.rejected == ()
    assert table.spreads[0].processors == PooledError(pytest.approx(4.5**0.5), 1)
    assert provenance(table)[-1][1] == ("mini/table3/baseline/1x/seed0/repeats/b",)


def test_what_repeats_another_configuration_is_named(
    put_result: Callable[..., Path], build: Any, all_available: TableDefinition
) -> None:
    place = "mini/table3/baseline/1x/seed0"
    put_result(metrics={"segm/AP": 30.0})
    put_result(at=f"{place}/repeats/b", config_sha256="1" * 64)
    table = build(all_available)
    assert [(one.path, one.reason) for one in table.rejected] == [
        (f"{place}/repeats/b/result.json", "repeats no run that is shown")
    ]
    assert (table.repeats, table.spreads[0].processors) == ((), None)


def test_what_is_not_known_is_not_told(
    put_result: Callable[..., Path], build: Any, all_available: TableDefinition
) -> None:
    put_result(metrics={"segm/AP": 30.0})
    (spread,) = (table := build(all_available)).spreads
    assert (spread.seeds, spread.images, spread.processors) == (None, None, None)
    assert spread_line(table).endswith("sd unknown")


def test_a_run_that_two_rows_share_is_taken_once(
    put_result: Callable[..., Path], build: Any, all_available: TableDefinition
) -> None:
    for row, base in (("baseline", 30.0), ("boxteacher", 31.0), ("qam", 31.0)):
        for seed, more in enumerate((0.0, 1.0, 1.5 if base == 31.0 else 4.0)):
            put_result(row=row, seed=seed, metrics={"segm/AP": base + more})
    (spread,) = build(all_available).spreads
    # Two rows, three seeds: differences 1, 1, -1.5, variance 2.0833, half of it.
    assert spread.seeds == PooledError(pytest.approx((25 / 24) ** 0.5), 2)
