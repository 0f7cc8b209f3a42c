"""Running a table's runs in several processes of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.cost import work
from experiments.launch.inline import free_first, run_one
from experiments.launch.interrupts import ending_in_order
from experiments.launch.progress import RunProgress, progress_at_work
from experiments.launch.runs import Run
from experiments.launch.runs_display import RunsDisplay
from experiments.launch.schedule import Begun, Timetable, longest_first, summary
from experiments.launch.sharing import share
from experiments.launch.workers import Task, Worker, Workers, warm_up

AT_FIRST, LATER = 4.0, 30.0
"""Seconds that may pass without a line, until runs tell of their steps, and after that."""
UNTIL_RUNS_TELL = 45.0
"""Seconds after which a run at work has told of its steps: it does so every 30 seconds."""


def run_locally(runs: Sequence[Run], jobs: int) -> dict[str, str]:
    """Run what is not finished yet, the longest first, `jobs` runs at a time.

    Each run has a process of its own. One that is killed (by hand, or for want of memory) takes
    only its own run with it; the next call resumes that one. Runs compute with as many threads as
    their scale says; where it does not say, the idle ones are shared as runs start.

    Runs of one configuration are one (see `experiments.launch.sharing`). What another process is at
    work on comes last, and is waited for.

    Args:
        runs: of one or more tables.
        jobs: processes.

    Returns:
        Per failed run, why it failed.
    """
    launch = _Launch(runs, jobs)
    display = RunsDisplay(launch.text, launch.runs_at_work, launch.patience)
    with ending_in_order(), display:
        return launch.run(display)


class _Launch:
    def __init__(self, runs: Sequence[Run], jobs: int) -> None:
        self.runs = runs
        self.jobs = jobs
        self.began = time.monotonic()
        self.doing = "looking for finished ones"
        self.finished = 0
        self.missing: dict[str, _Missing] = {}
        self.at_work: list[Worker] = []
        self.timetable = Timetable({})
        self.failures: dict[str, str] = {}

    def run(self, display: RunsDisplay) -> dict[str, str]:
        """Do it all, telling what happens; see `run_locally`."""
        say = display.say
        say(f"{len(self.runs)} runs, {self.jobs} at a time")
        if not all(RunDirectory(run.directory).result.exists() for run in self.runs):
            warm_up()
        shared = share(self.runs)
        if (same := shared.text()) is not None:
            say(same)
        self.runs = shared.trained
        missing = [
            run for run in self.runs if not RunDirectory(run.directory).is_finished(run.sha256)
        ]
        self.finished = len(self.runs) - len(missing)
        say(f"{self.finished} of {len(self.runs)} runs are finished")
        self._make_data(Workers(self.jobs, say), [run.of_cell for run in missing])
        self.doing = "starting"
        longest = longest_first(missing, lambda run: work(run.of_cell))
        in_order = [_Missing.of(run) for run in free_first(longest)]
        workers = Workers(self.jobs, say, display.has_bars)
        self.missing, self.at_work = {one.run.name: one for one in in_order}, workers.busy
        self.timetable = Timetable({one.run.name: one.work for one in in_order})
        for worker, reason in workers.work_off([one.task for one in in_order]):
            name = worker.task.name
            if reason is None:
                self.timetable.end(name, self._begun(worker, done=1.0))
                self.finished += 1
            else:
                self.timetable.end(name, None)
                self.failures[name] = reason
            how = "done" if reason is None else reason
            say(f"{name}: {how} ({self.text()})")
        return shared.failures(self.failures)

    def _make_data(self, workers: Workers, configs: Sequence[RunConfiguration]) -> None:
        """Make what data there are not, before each run would make its own."""
        self.doing = "importing, and making the data if there are none"
        by_source = {str(config.dataset): config for config in configs}
        tasks = [Task(c.dataset.name, make_data, (c,), 1) for c in by_source.values()]
        for _, reason in workers.work_off(tasks):
            if reason is not None:
                raise InputError(reason)

    def text(self) -> str:
        """One line on all runs."""
        at_work = {worker.task.name: self._begun(worker) for worker in list(self.at_work)}
        seconds = self.timetable.seconds_left(at_work, self.jobs)
        line = summary(self.finished, len(self.failures), len(self.runs), seconds)
        if seconds is None and self.finished + len(self.failures) < len(self.runs):
            line += f", {self.doing}, {time.monotonic() - self.began:.0f} s so far"
        return line

    def runs_at_work(self) -> dict[str, RunProgress]:
        """How far each of them is."""
        names = [worker.task.name for worker in list(self.at_work)]
        return {name: self.missing[name].progress() for name in names}

    def patience(self) -> float:
        """Seconds that may pass without a line."""
        begun = [self._begun(worker) for worker in list(self.at_work)]
        tell = any(one.done > one.before and one.seconds > UNTIL_RUNS_TELL for one in begun)
        return LATER if tell or self.timetable.timed else AT_FIRST

    def _begun(self, worker: Worker, done: float | None = None) -> Begun:
        one = self.missing[worker.task.name]
        done = one.share() if done is None else done
        return Begun(one.work, one.before, done, time.monotonic() - worker.started)


@dataclass(frozen=True)
class _Missing:
    """A run that is not finished, its estimated work, and the share of it that is done."""

    run: Run
    work: float
    before: float

    @staticmethod
    def of(run: Run) -> _Missing:
        one = _Missing(run, work(run.of_cell), 0.0)
        resumed = RunDirectory(run.directory).checkpoint.exists()
        return replace(one, before=one.share()) if resumed else one

    def share(self) -> float:
        steps = RunDirectory(self.run.directory).steps()
        return min(steps / self.run.of_cell.solver.iterations, 1.0)

    def progress(self) -> RunProgress:
        return progress_at_work(RunDirectory(self.run.directory), self.run.of_cell)

    @property
    def task(self) -> Task:
        config = self.run.configuration
        return Task(self.run.name, run_one, (config, self.run.cell, math.inf), config.threads)


def make_data(config: RunConfiguration) -> str | None:
    """Find or make the data of a run; returns why that failed, if it did."""
    from experiments.run.data import dataset_of  # imports torch, which the launcher does not need

    try:
        dataset_of(config)
    except InputError as error:
        return str(error)
    return None
