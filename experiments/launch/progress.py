"""How far a run at work is, by the numbers that it logs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from reports.status import RunKey, RunStatus, State, Statuses

AT_WORK = (State.RUNNING, State.ELSEWHERE)
WAITED_FOR = (*AT_WORK, State.QUEUED)


def with_progress(
    table: str, statuses: Statuses, scale: str, runs: Path
) -> dict[RunKey, RunStatus]:
    """The states of a table's runs; what is said of those at work begins with how far they are."""
    told = dict(statuses)
    for key, status in statuses.items():
        if status.state in AT_WORK:
            folder = runs / scale / table / key.row / key.column / f"seed{key.seed}"
            if (text := progress_text(RunDirectory(folder))) is not None:
                told[key] = dataclasses.replace(status, reason=f"{text}; {status.reason}")
    return told


def progress_text(directory: RunDirectory) -> str | None:
    """The last step that a run has logged, its loss, the rate, and the time left.

    None where nothing is logged yet, or its configuration cannot be read.
    """
    from experiments.configuration.run_configuration import RunConfiguration  # a second, if any

    logged, iterations = directory.last_metrics(), None
    with contextlib.suppress(InputError):
        iterations = RunConfiguration.read(directory.config).solver.iterations
    if iterations is None or "iteration" not in logged:
        return None
    step = int(logged["iteration"])
    if step >= iterations:
        return f"{step} steps done, evaluating"
    parts = [f"step {step} of {iterations}"]
    if "total_loss" in logged:
        parts.append(f"loss {logged['total_loss']:.3f}")
    if "seconds_per_iteration" in logged:
        rate = logged["seconds_per_iteration"]
        parts += [f"{rate:.2g} s a step", f"{duration(rate * (iterations - step))} left"]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def count_text(statuses: Mapping[RunKey, RunStatus]) -> str:
    """How many runs are in each state: `5 done, 2 running`."""
    states = [status.state for status in statuses.values()]
    return ", ".join(f"{states.count(state)} {state}" for state in State if state in states)
