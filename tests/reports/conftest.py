from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.aggregate import build_table
from reports.definition import TableDefinition, load_definition
from reports.paper_numbers import PaperNumbers
from reports.results import read_results
from reports.status import RunKey, Statuses, read_statuses
from reports.table import Table

TABLE3 = Path(__file__).parents[2] / "experiments" / "conf" / "table" / "table3.yaml"

NOT_BUILT = {
    "boxteacher": "BoxTeacher is not built yet",
    "qam": "BoxSeg's quality-aware module is not built yet",
    "qam-pc": "BoxSeg's peer-assisted copy-paste is not built yet",
}

PutResult = Callable[..., Path]


def result_content(**changes: Any) -> dict[str, Any]:
    """Make a whole and valid result.json, with some keys changed."""
    content = {
        "schema": 1,
        "table": "table3",
        "row": "baseline",
        "column": "1x",
        "scale": "mini",
        "seed": 0,
        "method": "boxinst",
        "dataset": "scenes",
        "split": "val",
        "config_sha256": "0" * 64,
        "metrics": {"segm/AP": 36.8, "segm/AP50": 70.1, "bbox/AP": 54.8},
        "iterations": 600,
        "seconds": 540.0,
        "started": "2026-11-22T20:36:00+00:00",
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "environment": {
            "python": "3.11.7",
            "torch": "2.14.1",
            "detectron2": "0.7.2",
            "device": "cpu",
            "host": "somewhere",
        },
    }
    return {**content, **changes}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    root.mkdir()
    return root


@pytest.fixture
def put_result(runs: Path) -> PutResult:
    """Give a function that writes a result where its contents say, or in the folder `at`."""

    def put(at: str | None = None, **changes: Any) -> Path:
        # Two trainings never take the same time to the last digit.
        seconds = 500.0 + changes.get("seed", 0)
        content = result_content(**{"seconds": seconds, **changes})
        place = at or "{scale}/{table}/{row}/{column}/seed{seed}".format(**content)
        path = runs / place / "result.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return put


@pytest.fixture(scope="session")
def paper() -> PaperNumbers:
    return PaperNumbers.load()


@pytest.fixture
def table3() -> TableDefinition:
    """Table 3 with its first row available and the others not, whatever is built by now."""
    definition = load_definition(TABLE3)
    rows = tuple(
        row.model_copy(update={"unavailable": NOT_BUILT.get(row.name)}) for row in definition.rows
    )
    return definition.model_copy(update={"rows": rows})


@pytest.fixture
def table3_yaml() -> dict[str, Any]:
    content = yaml.safe_load(TABLE3.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture
def all_available(table3: TableDefinition) -> TableDefinition:
    """Table 3 as it will be once every method is built."""
    rows = tuple(row.model_copy(update={"unavailable": None}) for row in table3.rows)
    return table3.model_copy(update={"rows": rows})


@pytest.fixture
def build(runs: Path, paper: PaperNumbers) -> Callable[..., Table]:
    """Give a function that builds a table from the runs, as the command line does."""

    def build(
        definition: TableDefinition,
        scale: str = "mini",
        statuses: Statuses | None = None,
        config_hashes: dict[RunKey, str] | None = None,
    ) -> Table:
        if statuses is None:
            statuses = read_statuses(runs, definition, scale)
        return build_table(
            definition,
            read_results(runs),
            paper,
            statuses,
            scale=scale,
            scale_label="scenes, EfficientNet-Lite0",
            command=f"boxseg reproduce {definition.name} --scale {scale}",
            suite_version="0.1.0",
            config_hashes=config_hashes,
        )

    return build
