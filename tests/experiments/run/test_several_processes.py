"""Two processes that train one model together end where one process alone would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from boxseg.engine.step_log import StepLog
from tests.conftest import REPOSITORY
from tests.engine.ranks import free_port
from tests.experiments.command_line import losses, result
from tests.experiments.slurm_cluster import Cluster, started

pytestmark = pytest.mark.slow

# Batch statistics differ by process, so there are none here. AdamW would make steps of full size
# out of gradients that are zero but for rounding (a bias before a normalisation has none).
SGD = "solver.optimizer={_target_:boxseg.engine.solver.sgd,_partial_:true,learning_rate:0.01}"
FIVE_STEPS = (
    "images.iterations_1x=5",
    "solver.batch_size=4",
    "scale.backbones.r50.bottom_up.norm=FrozenBN",
    SGD,
)
METHODS = {
    "boxinst": ("method=boxinst", "model.mask_branch.norm=GN"),
    "boxseg": ("method=boxseg", "model.student.mask_branch.norm=GN"),
}


def command(run_dir: Path, *words: str) -> list[str]:
    common = ("train", "scale=smoke", "threads=1", f"run_dir={run_dir}")
    return [sys.executable, "-W", "ignore", "-m", "experiments.cli", *common, *words]


class Processes:
    """The processes of one run, started on this machine."""

    def __init__(self, number: int, data_dir: Path, run_dir: Path, *words: str) -> None:
        common = {"BOXSEG_DATA": str(data_dir), "OMP_NUM_THREADS": "1"}
        if number > 1:
            common |= {"WORLD_SIZE": str(number), "MASTER_PORT": str(free_port())}
        self.started = [
            subprocess.Popen(
                command(run_dir, *words),
                cwd=REPOSITORY,
                env=os.environ | common | ({"RANK": str(rank)} if number > 1 else {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(number)
        ]

    def end(self) -> list[tuple[int, str]]:
        """Exit code and standard error of each, in order of rank."""
        try:
            errors = [process.communicate(timeout=300)[1] for process in self.started]
        finally:
            for process in self.started:
                process.kill()
        return [(p.returncode, error) for p, error in zip(self.started, errors, strict=True)]


def trained(number: int, data_dir: Path, run_dir: Path, *words: str) -> Path:
    """The directory of a run that several processes finish."""
    for code, error in Processes(number, data_dir, run_dir, *words).end():
        assert code == 0, error
    return run_dir


@pytest.fixture(scope="module")
def alone(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Five steps of each method in one process."""
    folder = tmp_path_factory.mktemp("alone")
    return {
        method: trained(1, data_dir, folder / method, *words, *FIVE_STEPS)
        for method, words in METHODS.items()
    }


def assert_same(run_dir: Path, alone: Path) -> None:
    """Losses and weights within 1e-5, predictions and their scores the same."""
    lines = losses(run_dir)
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4, 5]
    for line, wanted in zip(lines, losses(alone), strict=True):
        assert line == pytest.approx(wanted, abs=1e-5)
    states = [
        torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
        for folder in (run_dir, alone)
    ]
    assert states[0].keys() == states[1].keys()
    moved = False
    for name, tensor in states[0].items():
        if torch.is_tensor(tensor):
            torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=1e-5, msg=name)
            moved = moved or bool(tensor.numel())
    assert moved
    assert result(run_dir)["metrics"] == result(alone)["metrics"]
    assert result(run_dir)["environment"]["processes"] == 2
    assert result(alone)["environment"]["processes"] == 1


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_as_one(
    method: str, alone: dict[str, Path], data_dir: Path, tmp_path: Path
) -> None:
    run_dir = trained(2, data_dir, tmp_path / "run", *METHODS[method], *FIVE_STEPS)
    assert_same(run_dir, alone[method])
    assert not (run_dir / "running.json").exists()


def test_two_processes_look_together(
    alone: dict[str, Path], data_dir: Path, tmp_path: Path
) -> None:
    looks = ("evaluation_period=2", "evaluation_images=16")
    run_dir = trained(2, data_dir, tmp_path / "run", *METHODS["boxinst"], *FIVE_STEPS, *looks)
    assert_same(run_dir, alone["boxinst"])
    found = StepLog(run_dir / "evaluations.jsonl").lines()
    assert [line["iteration"] for line in found] == [2, 4, 5]
    metrics = result(run_dir)["metrics"]
    assert all(found[-1][name] == metrics[name] for name in ("segm/AP", "bbox/AP"))
    best = torch.load(run_dir / "checkpoint-best.pt", weights_only=True)
    assert best["scores"]["segm/AP"] == max(line["segm/AP"] for line in found)
    assert len(best["other_ranks"]) == 1


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """A cluster of one node."""
    yield from started(max_array_size=5)


@pytest.mark.parametrize("method", METHODS)
def test_two_tasks_of_slurm_train_as_one_process(
    method: str, alone: dict[str, Path], slurm: Cluster, data_dir: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    done = subprocess.run(
        ["srun", "--ntasks=2", *command(run_dir, *METHODS[method], *FIVE_STEPS)],
        cwd=REPOSITORY,
        env=os.environ | {"BOXSEG_DATA": str(data_dir), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_same(run_dir, alone[method])


def test_each_process_s_own_memory_goes_on_after_a_kill(data_dir: Path, tmp_path: Path) -> None:
    # With the oracle there are pastes from the first steps; each process has a bank of its own.
    words = ("method=boxseg", "pseudo_labels=oracle", "images.iterations_1x=12")
    words = (*words, "solver.batch_size=4")
    whole = trained(2, data_dir, tmp_path / "whole", *words)
    run_dir = tmp_path / "run"
    processes = Processes(2, data_dir, run_dir, *words)
    deadline = time.monotonic() + 200
    while not (run_dir / "checkpoint.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes.started[1].send_signal(signal.SIGKILL)
    (first, error), _ = processes.end()
    assert first == 2
    assert error.splitlines()[-1] == (
        "boxseg: another process of this run was ended from outside; start it again."
    )
    assert "ended from outside" in json.loads((run_dir / "failed.json").read_text())["error"]
    content = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    assert 2 <= content["iteration"] < 12
    assert len(content["other_ranks"]) == 1
    trained(2, data_dir, run_dir, *words)
    assert losses(run_dir) == losses(whole)
    assert losses(run_dir)[-1]["copy_paste_bank_size"] > 0
    ended, wanted = (
        torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
        for folder in (run_dir, whole)
    )
    assert all(torch.equal(ended[k], wanted[k]) for k in wanted if torch.is_tensor(wanted[k]))
    predictions = (whole / "predictions.json").read_bytes()
    assert (run_dir / "predictions.json").read_bytes() == predictions


def test_what_one_process_is_refused_all_are(data_dir: Path, tmp_path: Path) -> None:
    words = ("method=boxinst", "solver.batch_size=4")
    for code, error in Processes(3, data_dir, tmp_path / "run", *words).end():
        assert code == 2
        assert "Traceback" not in error
        assert "a batch of 4 images cannot be shared equally among 3 processes" in error
