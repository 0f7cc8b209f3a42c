"""A table on a real Slurm ends as if nothing had happened, whatever died in between."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions
from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg, losses, result
from tests.experiments.slurm_cluster import Cluster, run, sbatch_replaced, started, wait_until

pytestmark = pytest.mark.slow

# Long enough to be disturbed, and to find something, so that equal predictions mean it. A run that
# is told to terminate goes on until it is killed, some seconds after KILL_WAIT, and must not reach
# its end before that.
LENGTH = "images.iterations_1x=150"
KILL_WAIT = 1
STEPS_LEFT = {"killed": 60, "cancelled": 350, "requeued": 350, "preempted": 60}
WORDS = ("reproduce", "table3", "--scale", "smoke", LENGTH)


@pytest.fixture(scope="module")
def slurm(data_dir: Path) -> Iterator[Cluster]:
    """A cluster."""
    yield from started(max_array_size=1001, kill_wait=KILL_WAIT)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs and reports are."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def undisturbed(data_dir: Path, workplace: Path) -> Path:
    """The same table, made without Slurm."""
    outcome = reproduce(workplace, "undisturbed", "--launcher", "local", "--jobs", "2")
    assert outcome.code == 0, outcome.err
    return workplace / "undisturbed"


@pytest.fixture(scope="module")
def disturbed(slurm: Cluster, workplace: Path) -> dict[str, Run]:
    """The table after all that happened to it, and which run was hit by what.

    The process that launches is killed at the worst moment: Slurm has the jobs, and it could not
    write that down. Then one process is killed, one job cancelled, one requeued, one preempted,
    each after its first checkpoint, and slurmd is restarted.
    """
    words = [*WORDS, "--launcher", "slurm", "--runs", str(workplace / "disturbed")]
    with sbatch_replaced(workplace / "programs", "REAL; kill -9 $PPID"):
        command = [sys.executable, "-m", "experiments.cli", *words]
        done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    hit: dict[str, Run] = {}
    for disturbance in STEPS_LEFT:
        chosen = at_work(workplace / "disturbed", hit, STEPS_LEFT[disturbance])
        running = json.loads((chosen.directory / "running.json").read_text())
        if disturbance == "killed":
            os.kill(running["pid"], signal.SIGKILL)
        elif disturbance == "cancelled":
            run("scancel", running["job"])
        elif disturbance == "requeued":
            run("scontrol", "requeue", running["job"])
        else:  # as Slurm does; `scancel --signal` may repeat itself and hit the next start
            os.kill(running["pid"], signal.SIGUSR2)
        hit[disturbance] = chosen
    slurm.restart_slurmd()
    return hit


@pytest.fixture(scope="module")
def second(disturbed: dict[str, Run], workplace: Path) -> Outcome:
    """One more `boxseg reproduce`, which waits for the end."""
    return reproduce(workplace, "disturbed", "--launcher", "slurm", "--wait")


def runs(folder: Path) -> list[Run]:
    return expand(definitions(["table3"])[0], "smoke", 1, folder, overrides=[LENGTH])


def at_work(folder: Path, hit: dict[str, Run], steps_left: int) -> Run:
    """A run that trains, has a checkpoint, was left alone until now, and has so far to go."""
    found: list[Run] = []

    def look() -> bool:
        found[:] = [
            run
            for run in runs(folder)
            if run not in hit.values()
            and (run.directory / "checkpoint.pt").exists()
            and (run.directory / "running.json").exists()
            and len(losses(run.directory)) < run.of_cell.solver.iterations - steps_left
        ]
        return bool(found)

    wait_until(look, "a run is at work")
    return found[0]


def reproduce(workplace: Path, name: str, *words: str) -> Outcome:
    out = workplace / f"{name}-out"
    return boxseg(*WORDS, "--runs", workplace / name, "--out", out, *words)


def test_the_table_is_complete(second: Outcome, disturbed: dict[str, Run], workplace: Path) -> None:
    assert second.code == 0, second.err
    assert len(set(disturbed.values())) == len(STEPS_LEFT)
    # Only the killed and the cancelled are submitted again; the others queue by themselves.
    assert re.search(r"\b2 submitted$", second.err, re.MULTILINE), second.err
    status = boxseg("status", "table3", "--scale", "smoke", "--runs", workplace / "disturbed").out
    assert len(re.findall(r"\bdone\b", status)) == 8  # a long line breaks after the word


def test_each_run_trained_exactly_its_steps(second: Outcome, workplace: Path) -> None:
    for one in runs(workplace / "disturbed"):
        steps = [line["iteration"] for line in losses(one.directory)]
        assert steps == list(range(1, one.of_cell.solver.iterations + 1)), one.name


def test_none_but_the_killed_did_a_step_again(second: Outcome, disturbed: dict[str, Run]) -> None:
    """Who is told of the end saves, and does no step more, which would be lost."""
    for disturbance, one in disturbed.items():
        log = (one.directory / "log.txt").read_text()
        assert ("done again" in log) <= (disturbance == "killed"), disturbance


def test_it_is_as_if_nothing_had_happened(
    second: Outcome, undisturbed: Path, workplace: Path
) -> None:
    for one, other in zip(runs(workplace / "disturbed"), runs(undisturbed), strict=True):
        assert result(one.directory)["metrics"] == result(other.directory)["metrics"], one.name
        assert losses(one.directory) == losses(other.directory), one.name
        predictions = (other.directory / "predictions.json").read_bytes()
        assert (one.directory / "predictions.json").read_bytes() == predictions, one.name
        assert not (one.directory / "failed.json").exists()
        assert not (one.directory / "running.json").exists()


def test_disturbed_runs_went_on_from_their_checkpoints(
    second: Outcome, disturbed: dict[str, Run]
) -> None:
    for disturbance, one in disturbed.items():
        log = (one.directory / "log.txt").read_text()
        resumed = [int(step) for step in re.findall(r"resuming .* at step (\d+) of", log)]
        assert len(resumed) == 1, (disturbance, log)
        assert resumed[0] >= 2
        saved = re.search(r"saving at step (\d+) because of (\w+)", log)
        if disturbance == "preempted":
            assert saved is not None
            assert (int(saved[1]), saved[2]) == (resumed[0], "SIGUSR2")
        elif disturbance == "killed":
            assert saved is None


def test_once_more_submits_nothing(second: Outcome, slurm: Cluster, workplace: Path) -> None:
    again = reproduce(workplace, "disturbed", "--launcher", "slurm")
    assert again.code == 0
    assert "8 finished, 0 submitted" in again.err
    assert slurm.tasks() == {}
