"""Runs that are interrupted again and again, at random moments, end as if they never had been.

How many interruptions of each kind there are is set by BOXSEG_INTERRUPTIONS; without it there are
none. The steps after which they come are the same each time.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.experiments.command_line import losses, result
from tests.experiments.run.test_resume import BOXSEG, step_of
from tests.experiments.slurm_cluster import Cluster, run, started

TIMES = int(os.environ.get("BOXSEG_INTERRUPTIONS", "0"))
pytestmark = [
    pytest.mark.slow,  # every interruption imports torch anew
    pytest.mark.skipif(not TIMES, reason="set BOXSEG_INTERRUPTIONS=N; takes 6 N minutes and more"),
]
PERIOD = 2
"""Steps from one checkpoint of the smoke scale to the next."""
LONGEST = 300
"""Seconds that a process may take to begin or to end."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL)
METHODS = {
    "boxinst": ("method=boxinst", "images.iterations_1x=24"),
    "boxseg": BOXSEG,
    "sim": ("method=sim", "images.iterations_1x=24"),
}
TABLE = ("table1", "--rows", "boxinst-r50-3x", "boxseg-r50-1x", "sim-r101-3x")
"""The same three methods as rows; the longest of them take 3 times these steps."""
OF_TABLE = ("--scale", "smoke", "images.iterations_1x=8")


@pytest.fixture(scope="module", autouse=True)
def heeded_interrupts() -> Iterator[None]:
    """What a shell runs in its background ignores SIGINT, and so would all that is started here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


BEGIN = """
import os, sys
from experiments.cli import main
begun = int(sys.argv.pop(1))
os.write(begun, b".")
os.close(begun)
sys.exit(main())
"""
"""What the script `boxseg` does; it says when its own code begins. Of a Ctrl-C before that Python
itself leaves a traceback, of any program."""


@dataclass
class Work:
    """A command, and the folder of the runs that it trains.

    Attributes:
        words: after `boxseg`.
        folder: of the runs.
        steps: by run, the steps that its metrics had at the last look.
    """

    words: tuple[str, ...]
    folder: Path
    steps: dict[Path, int] = field(default_factory=dict)

    def begun(self) -> subprocess.Popen[str]:
        """A process at it, in a group of its own, whose code has begun."""
        ours, its = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", BEGIN, str(its), *self.words],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[its],
            start_new_session=True,
        )
        os.close(its)
        os.read(ours, 1)
        os.close(ours)
        return process

    def runs(self) -> list[Path]:
        """Directories in which a training has logged a step."""
        return sorted(file.parent for file in self.folder.rglob("metrics.jsonl"))

    def last_step(self, one: Path) -> int:
        """The last step in a run's metrics, which may be torn; 0 before the first."""
        lines = (one / "metrics.jsonl").read_text().splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return int(whole[-1]["iteration"]) if whole else 0

    def progress(self) -> int:
        """Steps in all of the runs' metrics."""
        return sum(self.last_step(one) for one in self.runs())

    def assert_saved(self, how: signal.Signals) -> None:
        """Of runs that are not finished, all steps are saved after a warning, else nearly all."""
        for one in self.runs():
            if (one / "result.json").exists():
                continue
            logged = self.last_step(one)
            saved = step_of(one) if (one / "checkpoint.pt").exists() else 0
            if how == signal.SIGKILL:
                # What is being written when it comes is lost too.
                assert logged - 2 * PERIOD <= saved, (one, how)
            elif logged:
                assert saved == logged, (one, how)

    def assert_ended_like(self, other: Work) -> None:
        """Every run has each of its steps once, and what it found."""
        assert [one.relative_to(self.folder) for one in self.runs()] == [
            one.relative_to(other.folder) for one in other.runs()
        ]
        for mine, whole in zip(self.runs(), other.runs(), strict=True):
            assert losses(mine) == losses(whole), mine
            steps = [line["iteration"] for line in losses(mine)]
            assert steps == list(range(1, len(steps) + 1)), mine
            assert result(mine)["metrics"] == result(whole)["metrics"], mine
            predictions = (whole / "predictions.json").read_bytes()
            assert (mine / "predictions.json").read_bytes() == predictions, mine
            assert not list(mine.glob("running.json")) + list(mine.glob("failed.json"))

    def assert_nothing_done_again(self) -> None:
        """No run had logged a step that was not saved when it was interrupted."""
        for one in self.runs():
            assert "done again" not in (one / "log.txt").read_text(), one


def train(method: str, folder: Path) -> Work:
    words = ("train", "scale=smoke", "threads=1", *METHODS[method], f"run_dir={folder / 'run'}")
    return Work(words, folder)


def inline(folder: Path) -> Work:
    runs = ("--runs", str(folder), "--out", str(folder.parent / "out"))
    return Work(("reproduce", *TABLE, *OF_TABLE, *runs), folder)


def local(folder: Path) -> Work:
    words = inline(folder).words
    return Work((*words, "--launcher", "local", "--jobs", "2"), folder)


def finish(work: Work) -> Work:
    process = work.begun()
    said = process.communicate(timeout=6 * LONGEST)[1]
    assert process.returncode == 0, said
    return work


@pytest.fixture(scope="module")
def undisturbed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Work]:
    """What a kind of work finds that nobody interrupts, made once of each kind."""
    known: dict[str, Work] = {}

    def find(name: str, make: Callable[[Path], Work]) -> Work:
        if name not in known:
            known[name] = finish(make(tmp_path_factory.mktemp("whole") / "runs"))
        return known[name]

    return find


def interrupt(work: Work, how: signal.Signals, moments: random.Random) -> bool:
    """Begin, and send a signal some steps later; whether it came before the end."""
    before, wanted = work.progress(), moments.randint(0, 8)
    process = work.begun()
    try:
        deadline = time.monotonic() + LONGEST
        while process.poll() is None and work.progress() < before + wanted:
            assert time.monotonic() < deadline, "it makes no progress"
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.05) if wanted else moments.uniform(0, 4))
        if how == signal.SIGKILL and process.poll() is None:
            os.killpg(process.pid, how)  # as for want of memory, or when the machine goes down
        elif process.poll() is None:
            process.send_signal(how)
        said = process.communicate(timeout=LONGEST)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert "Traceback" not in said, said
    if process.returncode == 0:
        return False
    assert process.returncode in (-how, 128 + how, 1 if how == signal.SIGKILL else -how), said
    if how == signal.SIGINT:
        assert said.endswith("boxseg: interrupted; the same command goes on from what was saved.\n")
    return True


def torment(
    make: Callable[[Path], Work], whole: Work, folder: Path, how: signal.Signals, seed: str
) -> None:
    """Interrupt `TIMES` times, beginning anew where the work was done before."""
    moments = random.Random(f"{seed} {how.name}")
    done, round_number = 0, 0
    while done < TIMES:
        round_number += 1
        work = make(folder / f"round{round_number}" / "runs")
        while done < TIMES and interrupt(work, how, moments):
            done += 1
            work.assert_saved(how)
        finish(work)
        work.assert_ended_like(whole)
        shutil.rmtree(work.folder)


@pytest.mark.parametrize("how", SIGNALS, ids=lambda one: one.name)
@pytest.mark.parametrize("method", METHODS)
def test_train(
    undisturbed: Callable[..., Work], tmp_path: Path, method: str, how: signal.Signals
) -> None:
    def make(folder: Path) -> Work:
        return train(method, folder)

    torment(make, undisturbed(method, make), tmp_path, how, method)


@pytest.mark.parametrize("how", SIGNALS, ids=lambda one: one.name)
@pytest.mark.parametrize("make", [inline, local], ids=["inline", "local"])
def test_reproduce(
    undisturbed: Callable[..., Work],
    tmp_path: Path,
    make: Callable[[Path], Work],
    how: signal.Signals,
) -> None:
    torment(make, undisturbed("table", inline), tmp_path, how, make.__name__)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """A cluster of one node."""
    yield from started(max_array_size=20)


def running_tasks() -> list[str]:
    """Ids of the tasks that Slurm runs now."""
    listed = run("squeue", "--noheader", "--states=RUNNING", "--format=%i")
    return re.findall(r"^\s*(\d+_\d+)\s*$", listed, re.MULTILINE)


def signal_task(slurm: Cluster, task: str, how: signal.Signals) -> None:
    """Send a signal to what a task runs, by KILL to its script too, and wait until it has left.

    A second signal before that would find it saving, and a second INT ends it at once.
    """
    whole = ["--full"] if how == signal.SIGKILL else []
    run("scancel", f"--signal={how.name.removeprefix('SIG')}", *whole, task)
    deadline = time.monotonic() + LONGEST
    while slurm.tasks().get(task) == "RUNNING":
        assert time.monotonic() < deadline, f"{task} goes on after {how.name}"
        time.sleep(0.1)


@pytest.mark.parametrize("how", SIGNALS, ids=lambda one: one.name)
def test_slurm(
    slurm: Cluster, undisturbed: Callable[..., Work], tmp_path: Path, how: signal.Signals
) -> None:
    moments = random.Random(how.name)
    whole = undisturbed("table", inline)
    done, round_number = 0, 0
    while done < TIMES:
        round_number += 1
        plain = inline(tmp_path / f"round{round_number}" / "runs")
        work = Work((*plain.words, "--launcher", "slurm"), plain.folder)
        finish(work)
        deadline = time.monotonic() + 6 * LONGEST
        while slurm.tasks():
            assert time.monotonic() < deadline, slurm.tasks()
            before, wanted = work.progress(), moments.randint(1, 6)
            while slurm.tasks() and work.progress() < before + wanted:
                time.sleep(0.02)
            tasks = running_tasks()
            if tasks and done < TIMES:
                signal_task(slurm, moments.choice(tasks), how)
                done += 1
        for _ in range(3):  # what was killed is submitted again
            finish(work)
            slurm.wait_until_empty()
        work.assert_ended_like(whole)
        if how != signal.SIGKILL:
            work.assert_nothing_done_again()
