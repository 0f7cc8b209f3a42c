"""A thousand runs: no command composes, or asks Slurm, once per run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import experiments.configuration.compose
from experiments.configuration.compose import _composed
from experiments.launch.runs import Run, expand
from experiments.launch.slurm.records import Submission, SubmittedRun, submissions_folder
from experiments.launch.tables import definitions
from tests.experiments.command_line import boxseg
from tests.experiments.slurm_commands import Commands
from tests.reports.conftest import result_content

SEEDS = 125
WORDS = ("table3", "--scale", "smoke", "--seeds", SEEDS)


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a thousand finished runs that nobody trained."""
    folder = tmp_path_factory.mktemp("stubs")
    for number, run in enumerate(thousand(folder)):
        content = result_content(
            row=run.cell.row,
            column=run.cell.column,
            scale="smoke",
            seed=run.seed,
            config_sha256=run.sha256,
            seconds=float(number),
        )
        run.directory.mkdir(parents=True)
        (run.directory / "result.json").write_text(json.dumps(content))
    return folder


def thousand(folder: Path) -> list[Run]:
    runs = expand(definitions(["table3"])[0], "smoke", SEEDS, folder)
    assert len(runs) == 1000
    return runs


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The words of every composition, as they are made."""
    made: list[object] = []
    original = experiments.configuration.compose.unresolved

    def counted(*words: object) -> object:
        made.append(words)
        return original(*words)  # type: ignore[arg-type]

    monkeypatch.setattr("experiments.configuration.compose.unresolved", counted)
    _composed.cache_clear()
    return made


def test_a_dry_run(tmp_path: Path, compositions: list[object]) -> None:
    outcome = boxseg("reproduce", *WORDS, "--runs", tmp_path, "--dry-run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "1000 runs"
    assert len(list(tmp_path.rglob("config.yaml"))) == 1000
    assert len(compositions) <= 9  # its eight cells, and the scale


def test_a_second_reproduce(stubs: Path, tmp_path: Path, compositions: list[object]) -> None:
    outcome = boxseg("reproduce", *WORDS, "--runs", stubs, "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("is finished") == 1000
    assert (tmp_path / "smoke" / "table3.md").exists()
    assert len(compositions) <= 9


def test_a_second_reproduce_on_slurm_asks_nobody(
    stubs: Path, tmp_path: Path, compositions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no Slurm
    words = (*WORDS, "--runs", stubs, "--out", tmp_path, "--launcher", "slurm")
    outcome = boxseg("reproduce", *words)
    assert outcome.code == 0, outcome.err
    assert "1000 finished, 0 submitted" in outcome.err
    assert len(compositions) <= 9


def test_the_status_asks_slurm_once(tmp_path: Path, slurm_commands: Commands) -> None:
    runs = thousand(tmp_path / "runs")
    for number, part in enumerate((runs[:600], runs[600:]), start=1):
        Submission(
            name=f"boxseg-{number:04d}-00000000",
            submitted=datetime.now(UTC),
            job=str(number),
            runs=tuple(SubmittedRun(run=run.name, config_sha256="0") for run in part),
        ).write(submissions_folder(tmp_path / "runs", "smoke"))
    name = "boxseg-0001-00000000"
    lines = [f"{name}|1_{index}|PENDING|Resources" for index in range(600)]
    slurm_commands.says("squeue", *lines)
    outcome = boxseg("status", *WORDS, "--runs", tmp_path / "runs")
    assert [call.split()[0] for call in slurm_commands.calls] == ["sacct", "squeue"]
    assert outcome.out.count(" queued ") == 600
    assert outcome.out.count(" lost ") == 400
