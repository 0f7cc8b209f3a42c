"""How far a run at work is, by the numbers that it logs."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.step_log import CRITERIA, StepLog
from boxseg.errors import InputError
from boxseg.progress_display.bars import duration, two_digits
from reports.status import RunKey, RunStatus, State, Statuses, read_status

if TYPE_CHECKING:  # takes a second
    from experiments.configuration.run_configuration import RunConfiguration

AT_WORK = (State.RUNNING, State.ELSEWHERE)
WAITED_FOR = (*AT_WORK, State.QUEUED)


def with_progress(
    table: str, statuses: Statuses, scale: str, runs: Path
) -> dict[RunKey, RunStatus]:
    """The states of a table's runs; what is said of those at work begins with how far they are."""
    of_table = runs / scale / table
    return {
        key: _with_progress(status, of_table / key.row / key.column / f"seed{key.seed}")
        for key, status in statuses.items()
    }


def status_of_run(folder: Path) -> RunStatus:
    """The state of one run, of a table or not, told likewise."""
    return _with_progress(read_status(folder.parent, folder.name), folder)


def _with_progress(status: RunStatus, folder: Path) -> RunStatus:
    if status.state not in AT_WORK or (text := progress_text(RunDirectory(folder))) is None:
        return status
    return dataclasses.replace(status, reason=f"{text}; {status.reason}")


@dataclasses.dataclass(frozen=True)
class RunProgress:
    """What the last lines of a run's logs say; None for what they lack.

    Attributes:
        step: the last one that was logged.
        iterations: of the whole run.
        loss: the total one of that step.
        score: the last AP, and of which step it is.
        seconds_each: of a step.
        seconds_left: of training, and of the evaluations in its course.
    """

    step: int
    iterations: int
    loss: float | None = None
    score: str | None = None
    seconds_each: float | None = None
    seconds_left: float | None = None

    def text(self) -> str:
        """In one line."""
        if self.step >= self.iterations:
            return f"{self.step} steps done, evaluating"
        parts = [f"step {self.step} of {self.iterations}"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3f}")
        if self.score is not None:
            parts.append(self.score)
        if self.seconds_each is not None and self.seconds_left is not None:
            parts.append(f"{two_digits(self.seconds_each)} s a step")
            parts.append(f"{duration(self.seconds_left)} left")
        return ", ".join(parts)


def progress_of(directory: RunDirectory, config: RunConfiguration) -> RunProgress | None:
    """How far a run of a configuration is; None where nothing is logged yet."""
    logged = directory.last_metrics()
    if "iteration" not in logged:
        return None
    step, iterations = int(logged["iteration"]), config.solver.iterations
    found = StepLog(directory.evaluations).last()
    name = next((name for name in CRITERIA if name in found), None)
    score = None
    if name is not None:
        score = f"{CRITERIA[name]} {found[name]:.1f} at step {found['iteration']}"
    each, left = logged.get("seconds_per_iteration"), None
    if each is not None:
        left = each * (iterations - step)
        if config.evaluation_period:
            looks = math.ceil(iterations / config.evaluation_period)
            left += found.get("seconds", 0) * (looks - step // config.evaluation_period)
    return RunProgress(step, iterations, logged.get("total_loss"), score, each, left)


def progress_at_work(directory: RunDirectory, config: RunConfiguration) -> RunProgress:
    """The same of a run at work, which is at step 0 where nothing is logged yet."""
    return progress_of(directory, config) or RunProgress(0, config.solver.iterations)


def progress_text(directory: RunDirectory) -> str | None:
    """How far a run is, in one line.

    None where nothing is logged yet, or its configuration cannot be read.
    """
    from experiments.configuration.run_configuration import RunConfiguration

    progress = None
    with contextlib.suppress(InputError):
        progress = progress_of(directory, RunConfiguration.read(directory.config))
    return None if progress is None else progress.text()


def count_text(statuses: Mapping[RunKey, RunStatus] | Mapping[str, RunStatus]) -> str:
    """How many runs are in each state: `5 done, 2 running`."""
    states = [status.state for status in statuses.values()]
    return ", ".join(f"{states.count(state)} {state}" for state in State if state in states)
