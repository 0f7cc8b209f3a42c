from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.claims import assess
from reports.definition import load_definition
from reports.reproduction.outcome import PaperCost, spent
from reports.reproduction.results_part import compute_section
from reports.reproduction.statement import render_reproduction
from reports.results import read_results
from reports.status import RunKey
from reports.table import Table

TABLES = Path(__file__).parents[3] / "experiments" / "conf" / "table"
COSTS = (PaperCost("table1", 48, 22_801.4, 3, "estimated from a log"),)


@pytest.fixture
def some_runs(put_result: Callable[..., Path]) -> None:
    for seed, difference in enumerate((1.2, 1.1, 1.0)):
        put_result(row="baseline", seed=seed, metrics={"segm/AP": 36.0}, seconds=1800.0 + seed)
        put_result(
            row="qam", seed=seed, metrics={"segm/AP": 36.0 + difference}, seconds=1799.0 + seed
        )


@pytest.fixture
def state(runs: Path, build: Callable[..., Table]) -> Callable[[], str]:
    """Give a function that writes the statement on tables 1 and 3 at two scales."""

    def state() -> str:
        definitions = [load_definition(TABLES / f"table{number}.yaml") for number in (1, 3)]
        tables = [build(one, scale) for scale in ("mini", "paper") for one in definitions]
        results = read_results(runs)
        verdicts = [one for table in tables for one in assess(table, results.frame)]
        return render_reproduction(tables, verdicts, results, costs=COSTS)

    return state


def rows_of(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


def test_the_same_records_give_the_same_bytes(
    state: Callable[[], str], some_runs: None, runs: Path
) -> None:
    assert state() == state()
    first, second = (render_reproduction([], [], read_results(runs)) for _ in range(2))
    assert first == second


def test_a_changed_record_changes_its_lines_and_no_others(
    state: Callable[[], str], some_runs: None, put_result: Callable[..., Path]
) -> None:
    before = state().splitlines()
    put_result(row="qam", seed=1, metrics={"segm/AP": 37.4}, seconds=1800.0)
    after = state().splitlines()
    changed = [line for line in after if line not in before]
    # The three claims on QAM at 1x, two of which have another row without runs.
    assert all(line.startswith("| 3.1 |") for line in changed)
    # The claim, and why: its verdict again, and the differences by size.
    claim, again, by_size = changed
    assert "+1.20" in claim and "+1.20" in again and "+1.2 |" in by_size


def test_every_claim_has_a_verdict_and_its_cells(state: Callable[[], str], some_runs: None) -> None:
    text, why, _ = state().partition("\n## Why\n")
    assert why
    (claim,) = rows_of(text, "3.1 |")
    assert "+1.10 [0.85, 1.35] (n=3)" in claim and "**replicated**" in claim
    assert "[qam, 1x](results/mini/table3/qam/1x)" in claim
    assert len(rows_of(text, "3.")) == 10
    assert text.count("claims 1.1 to 1.27: **not run**") == 2  # at both scales


def test_tables_of_the_suite_s_own_stand_apart_from_the_paper_s(
    put_result: Callable[..., Path], runs: Path, build: Callable[..., Table]
) -> None:
    for row, share in (("boxteacher", 26.0), ("qam", 48.0)):
        for seed in range(3):
            metrics = {"segm/AP": 1.0 + seed / 10, "pseudo/IoU-all": share * (1 + seed / 100)}
            put_result(
                table="coco-photos", row=row, seed=seed, metrics=metrics, seconds=1200 + share
            )
    of_paper, photographs = (
        build(load_definition(TABLES / f"{name}.yaml")) for name in ("table3", "coco-photos")
    )
    results = read_results(runs)
    verdicts = [one for table in (of_paper, photographs) for one in assess(table, results.frame)]
    text = render_reproduction([of_paper], verdicts, results, own=[photographs])
    before, _, section = text.partition("\n## Tables of this suite\n")
    own = section.partition("\n## ")[0]
    assert "coco-photos" not in before
    assert "### coco-photos: Real photographs, mini scale" in own
    assert rows_of(own, "BoxSeg: QAM |")[0].count("(n=3)") == 2
    (claim,) = rows_of(own, "coco-photos.5 |")
    assert "+22.22" in claim and "**replicated**" in claim
    assert "[qam, 1x](results/mini/coco-photos/qam/1x)" in claim
    assert "| coco-photos | mini | 6 | 2.06 | 0 |" in text
    without = render_reproduction([of_paper], verdicts, results)
    assert "None has runs yet." in without and "coco-photos" not in without


def test_tables_have_a_status_per_scale(state: Callable[[], str], some_runs: None) -> None:
    text = state()
    assert "**partial** | 2 of 8 cells have runs" in rows_of(text, "table3")[0]
    of_table1 = rows_of(text, "table1")
    assert "| mini | **not attempted** | no runs" in of_table1[0]
    assert "about 22,801 GPU hours for 48 runs" in of_table1[1]
    assert "| test-dev | **impossible** |" in of_table1[2]


def test_compute_is_added_up(
    state: Callable[[], str], some_runs: None, runs: Path, build: Callable[..., Table]
) -> None:
    failed = runs / "mini/table3/qam-pc/1x/seed0/failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text(json.dumps({"error": "no disk", "time": "2026-11-25T14:00:00+00:00"}))
    table = build(load_definition(TABLES / "table3.yaml"))
    (taken,) = spent([table], read_results(runs).frame)
    # 3 x 1800 + 3 + 3 x 1799 + 3 seconds.
    assert taken.hours == pytest.approx(10_803 / 3600)
    assert (taken.runs, taken.failed, taken.diverged) == (6, 1, 0)
    text = state()
    assert "| table3 | mini | 6 | 3.00 | 1 |" in text
    assert "| table1 | 48 (3 without estimate) | 22,801 | 22,801 h | 5,700 h | 2,850 h |" in text


def test_what_several_tables_show_is_added_up_once(
    put_result: Callable[..., Path], runs: Path, build: Callable[..., Table]
) -> None:
    shared = {"config_sha256": "a" * 64, "seconds": 3600.0}
    put_result(table="table3", row="qam", **shared)
    put_result(table="table4", row="qam", **shared)
    put_result(table="table4", row="bpma", config_sha256="b" * 64, seconds=1800.0)
    for table in ("table3", "table4"):
        failed = runs / f"mini/{table}/baseline/1x/seed0/failed.json"
        failed.parent.mkdir(parents=True)
        failed.write_text(json.dumps({"error": "no disk", "time": "2026-11-25T14:00:00+00:00"}))
    hashes = {RunKey("baseline", "1x", 0): "c" * 64}
    tables = [
        build(load_definition(TABLES / f"{name}.yaml"), config_hashes=hashes)
        for name in ("table3", "table4")
    ]
    taken = spent(tables, read_results(runs).frame)
    assert [(one.table, one.runs, one.hours, one.failed) for one in taken] == [
        ("table3", 1, 1.0, 1),
        ("table4", 1, 0.5, 0),
    ]
    # In the first that is asked for, whatever else lies in the folder.
    (only,) = spent(tables[1:], read_results(runs).frame)
    assert (only.table, only.runs, only.hours) == ("table4", 2, 1.5)


def test_the_paper_s_scale_costs_each_configuration_once() -> None:
    third = PaperCost("table3", 24, 7_000.0, 0, "it", shared_runs=6, shared_gpu_hours=801.4)
    costs = (*COSTS, third)
    lines = compute_section([], costs, (1,))
    assert "| table3 | 24 | 7,000 | 7,000 h |" in lines
    assert "| all | 66 | 29,000 | 29,000 h |" in lines


def test_runs_with_hollow_or_full_masks_are_named(
    state: Callable[[], str], put_result: Callable[..., Path]
) -> None:
    for seed, (hollow, full) in enumerate([(0.5, 0.0), (97.8, 0.0), (10.0, 10.0), (2.0, 27.6)]):
        fill = {"predicted/hollow": hollow, "predicted/full": full}
        put_result(row="qam", seed=seed, metrics={"segm/AP": 20.0 - seed, **fill})
    put_result(row="baseline", metrics={"segm/AP": 19.0})  # says nothing of them
    section = state().partition("## Hollow and full masks\n")[2].partition("\n## ")[0]
    assert "Of 4 runs in tables" in section
    assert "2 have more than 10%" in section
    assert rows_of(section, "`") == [
        "| `mini/table3/qam/1x/seed1` | 97.8 | 0.0 | 19.0 |",
        "| `mini/table3/qam/1x/seed3` | 2.0 | 27.6 | 17.0 |",
    ]


def test_a_result_left_out_is_named(
    state: Callable[[], str], some_runs: None, put_result: Callable[..., Path]
) -> None:
    put_result(row="qam", seed=7).write_text("{")
    assert "- `mini/table3/qam/1x/seed7/result.json`: truncated or not JSON" in state()


def test_without_any_record_the_statement_says_so(state: Callable[[], str]) -> None:
    text = state()
    assert "**replicated**" not in text
    assert "Newest run: none" in text and "| all |  | 0 | 0.00 | 0 |" in text
