"""Which runs to submit, in which arrays."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.schema import Launcher
from experiments.launch.runs import Run
from experiments.launch.slurm.records import Attempt
from experiments.launch.slurm.statuses import LIVE
from reports.status import RunStatus, State

USUAL_MAX_ARRAY_SIZE = 1001


@dataclass(frozen=True)
class Plan:
    """What to do with each run.

    Attributes:
        finished: trained and evaluated.
        live: queued or at work, with their state.
        refused: cannot be submitted, and why.
        arrays: runs to submit, equal resources together.
    """

    finished: tuple[Run, ...]
    live: Mapping[str, RunStatus]
    refused: Mapping[str, str]
    arrays: tuple[tuple[Run, ...], ...]


def plan(
    runs: Sequence[Run],
    statuses: Mapping[str, RunStatus],
    attempts: Mapping[str, Attempt],
    max_array_size: int,
) -> Plan:
    """Decide for every run.

    Args:
        runs: wanted.
        statuses: per run's name, what is known of it.
        attempts: per run's name, its part in the newest submission.
        max_array_size: tasks that an array may have.
    """
    finished, live, refused, missing = [], {}, {}, []
    for run in runs:
        try:
            if RunDirectory(run.directory).finished_result(run.sha256) is not None:
                finished.append(run)
                continue
        except InputError as error:
            refused[run.name] = str(error)
            continue
        status = statuses[run.name]
        if status.state not in LIVE:
            reason = _unfit(run.of_cell)
            if reason is None:
                missing.append(run)
            else:
                refused[run.name] = reason
        elif _is_another(run, status, attempts.get(run.name)):
            refused[run.name] = (
                f"{status.reason or status.state}, with another configuration; wait for it, or end "
                f"it with `boxseg cancel {run.cell.table} --scale {run.scale}`"
            )
        else:
            live[run.name] = status
    return Plan(tuple(finished), live, refused, tuple(arrays_of(missing, max_array_size)))


def _unfit(config: RunConfiguration) -> str | None:
    """Why the configuration of a cell makes no sense, before a cluster waits to find out."""
    from experiments.configuration.needs import refuse_unfit  # imports torch; a dry run need not

    try:
        refuse_unfit(config)
    except InputError as error:
        return str(error)
    return None


def _is_another(run: Run, status: RunStatus, attempt: Attempt | None) -> bool:
    """Whether Slurm has a job of another configuration for the run's directory."""
    by_slurm = status.state in (State.QUEUED, State.RUNNING) and attempt is not None
    return by_slurm and attempt is not None and attempt.config_sha256 != run.sha256


def arrays_of(runs: Sequence[Run], max_array_size: int) -> Iterator[tuple[Run, ...]]:
    """Runs with equal resources together, in the order given, no array too large."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(resources_of(run).model_dump_json(), []).append(run)
    for group in groups.values():
        remaining = iter(group)
        while array := tuple(islice(remaining, max_array_size)):
            yield array


def resources_of(run: Run) -> Launcher:
    """What the run's job asks Slurm for."""
    return run.of_cell.launcher


def max_array_size() -> int:
    """Tasks that the cluster allows in an array; Slurm's usual limit where it does not answer."""
    try:
        done = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return USUAL_MAX_ARRAY_SIZE
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    return USUAL_MAX_ARRAY_SIZE if found is None else max(int(found[1]), 1)
