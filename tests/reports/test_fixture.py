"""The synthetic results: what the reports make of them, and of changed copies of them."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.vocabulary import Verdict
from tests.reports.fixture_reports import FIXTURE, reports_of

CHANGED = "mini/table4/bqr-qmf/1x/seed1"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "runs"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return reports_of(FIXTURE).write(tmp_path_factory.mktemp("original"))


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_committed_files_are_what_their_script_writes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_fixture", FIXTURE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = make  # dataclasses look their module up
    spec.loader.exec_module(make)
    make.write(tmp_path)
    committed = {
        path.relative_to(FIXTURE): path.read_text() for path in FIXTURE.glob("mini/**/*.json*")
    }
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.json*")}
    assert written == committed
    assert sum(path.name == "result.json" for path in committed) == 60


def test_the_same_bytes_each_time(tmp_path: Path, original: dict[str, str]) -> None:
    assert reports_of(FIXTURE).write(tmp_path) == original
    assert len(original) == 3 * 5 + 2


def test_the_order_on_disk_does_not_matter(tmp_path: Path, original: dict[str, str]) -> None:
    runs = tmp_path / "runs"
    for file in sorted(FIXTURE.rglob("*.json"), reverse=True):
        target = runs / file.relative_to(FIXTURE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    assert reports_of(runs).write(tmp_path / "out") == original


def test_the_verdicts_are_those_of_the_known_truth() -> None:
    found = {(one.table, one.claim.id): one.verdict for one in reports_of(FIXTURE).assessments}
    for table, claim, expected in (
        ("table3", "qam-over-baseline-1x", Verdict.REPLICATED),  # +3.0
        ("table3", "qam-over-boxteacher-3x", Verdict.NOT_REPLICATED),  # -1.5
        ("table3", "pc-over-qam-1x", Verdict.INCONCLUSIVE),  # nothing
        ("table3", "pc-over-qam-3x", Verdict.REPLICATED),  # +3.5
        ("table4", "bpma-over-baseline-1x", Verdict.REPLICATED),  # +1.0
        ("table4", "bqr-over-bpma-1x", Verdict.INCONCLUSIVE),  # nothing
        ("table4", "bqr-over-bpma-3x", Verdict.NOT_RUN),
        ("table6", "pc-in-boxinst", Verdict.INCONCLUSIVE),  # nothing
        ("table6", "qam-and-pc-in-sim", Verdict.REPLICATED),  # +2.5
    ):
        assert found[table, claim] is expected, claim


def test_the_diverged_run_is_counted(original: dict[str, str]) -> None:
    (record,) = (
        one
        for one in records(original["table4.csv"])
        if (one["row"], one["column"]) == ("bqr", "3x")
    )
    assert (record["n"], record["n_failed"], record["n_diverged"]) == ("0", "0", "1")
    for suffix in ("md", "html", "tex", "txt"):
        assert "failed (1 diverged)" in original[f"table4.{suffix}"]
        assert "loss_mask became nan at step 240" in original[f"table4.{suffix}"]


def test_a_changed_result_changes_exactly_its_cells(
    copy: Path, tmp_path: Path, original: dict[str, str]
) -> None:
    def lower(content: dict[str, Any]) -> None:
        content["metrics"]["segm/AP"] -= 5.0

    change(copy / CHANGED / "result.json", lower)
    before, after = reports_of(FIXTURE), reports_of(copy)
    cells = [
        (table.name, old.row, old.column)
        for table, new_table in zip(before.tables, after.tables, strict=True)
        for old, new in zip(table.cells, new_table.cells, strict=True)
        if old != new
    ]
    assert cells == [("table4", "bqr-qmf", "1x")]
    claims = [
        old.claim.id
        for old, new in zip(before.assessments, after.assessments, strict=True)
        if old != new
    ]
    # The two claims on the cell; the column's others have its runs in their pooled error.
    assert claims == ["bpma-over-baseline-1x", "bqr-over-bpma-1x", "qmf-1x", "mqs-1x"]
    texts = after.write(tmp_path / "out")
    changed = {name for name, text in texts.items() if text != original[name]}
    assert changed == {
        *(f"table4.{suffix}" for suffix in ("md", "tex", "csv", "html", "txt")),
        "claims.md",
        "claims.csv",
    }
    for name in sorted(changed):
        lines = zip(original[name].splitlines(), texts[name].splitlines(), strict=True)
        differing = [new for old, new in lines if old != new]
        # The row of the cell; the column's spread and its four claims, whose reasons may be wrapped
        # anew; for the CSV of cells, those that hold a verdict that changed.
        assert 1 <= len(differing) <= 30, (name, differing)
    differing_records = [
        new["row"] + " " + new["column"]
        for old, new in zip(
            records(original["table4.csv"]), records(texts["table4.csv"]), strict=True
        )
        if {**old, "claims": ""} != {**new, "claims": ""}
    ]
    assert differing_records == ["bqr-qmf 1x"]


def truncate(path: Path) -> None:
    path.write_text(path.read_text()[:-40])


def make_foreign(path: Path) -> None:
    change(path, lambda content: content.update(schema=2))


def put_nan(path: Path) -> None:
    change(path, lambda content: content["metrics"].update({"segm/AP": float("nan")}))


def duplicate(path: Path) -> None:
    """Copy another seed's run over this one."""
    seed = json.loads(path.read_text())["seed"]
    shutil.copyfile(path.parents[1] / f"seed{seed - 1}" / "result.json", path)
    change(path, lambda content: content.update(seed=seed))


@pytest.mark.parametrize(
    ("spoil", "reason", "left"),
    [
        (truncate, "truncated or not JSON", 2),
        (make_foreign, "foreign schema, only schema 1 is read", 2),
        (put_nan, "metrics.segm/AP: ", 2),
        (duplicate, "duplicated, the same run as mini/table4/bqr-qmf/1x/seed0", 1),
    ],
)
def test_broken_results_are_named_and_excluded(
    copy: Path, tmp_path: Path, spoil: Callable[[Path], None], reason: str, left: int
) -> None:
    spoil(copy / CHANGED / "result.json")
    found = reports_of(copy)
    table = found.tables[1]
    cell = table.cell("bqr-qmf", "1x", "segm/AP")
    assert (cell.n, CHANGED in cell.runs) == (left, False)
    texts = found.write(tmp_path / "out")
    for suffix in ("md", "tex", "html", "txt"):
        text = " ".join(texts[f"table4.{suffix}"].split())
        assert f"{CHANGED}/result.json" in text
        assert reason in text
    assert CHANGED not in texts["table4.csv"]
    assert CHANGED not in texts["claims.csv"]
    others = [one for one in table.cells if (one.row, one.column) != ("bqr-qmf", "1x")]
    before = reports_of(FIXTURE).tables[1]
    assert others == [one for one in before.cells if (one.row, one.column) != ("bqr-qmf", "1x")]
