"""How far each run of a table is, read from the files of its folder alone."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reports.definition import TableDefinition
from reports.result_file import RESULT_FILE, RefusedResult, load_result
from reports.vocabulary import State

__all__ = [
    "LOG_FILE",
    "RunKey",
    "RunStatus",
    "State",
    "Statuses",
    "is_alive",
    "last_lines",
    "read_status",
    "read_statuses",
]

FAILED_FILE = "failed.json"
RUNNING_FILE = "running.json"
CHECKPOINT_FILE = "checkpoint.pt"
LOG_FILE = "log.txt"

# How the engine's DivergedError reads, as `failed.json` holds it.
_DIVERGED = re.compile(r" became (nan|-?inf) at step \d+")

# Clocks are adjusted now and then; a process number is not reused within this many seconds.
_CLOCK_TOLERANCE = 60.0
# Seconds; generous, since the clocks of two machines differ.
_SIGN_OF_LIFE = 180.0


class RunKey(NamedTuple):
    """A run of a table at a scale."""

    row: str
    column: str
    seed: int


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run.

    Attributes:
        state: of the run.
        reason: a sentence on it, may be empty.
        log: its log relative to the runs' root.
        tail: the log's last lines, of a run that ended badly.
        job: the scheduler's job that the process recorded as at work belongs to.
        config_sha256: of the configuration its result was made with.
        diverged: it failed because a loss or gradient became infinite or NaN.
    """

    state: State
    reason: str = ""
    log: str | None = None
    tail: tuple[str, ...] = ()
    job: str | None = None
    config_sha256: str | None = None
    diverged: bool = False


Statuses = Mapping[RunKey, RunStatus]


class _Failed(BaseModel):
    model_config = ConfigDict(strict=True)
    error: str = Field(min_length=1)
    time: AwareDatetime


class _Running(BaseModel):
    model_config = ConfigDict(strict=True)
    pid: int = Field(gt=0)
    host: str
    started: AwareDatetime
    job: str | None = None


_Model = TypeVar("_Model", bound=BaseModel)


def read_status(runs: Path, place: str) -> RunStatus:
    """Read the state of the run in `runs / place`.

    A whole `result.json` means done, whatever else lies there. Then a living process counts, then
    a recorded failure, then what an interrupted run leaves behind. A process of another host cannot
    be seen from here: as long as it gives a sign of life such a run is "running elsewhere", since
    when, and on which host.
    """
    folder = runs / place
    log = f"{place}/{LOG_FILE}" if (folder / LOG_FILE).exists() else None
    if (folder / RESULT_FILE).exists():
        try:
            result = load_result(folder / RESULT_FILE)
        except RefusedResult as refusal:
            return RunStatus(State.REFUSED, f"{RESULT_FILE}: {refusal}", log)
        return RunStatus(State.DONE, "", log, config_sha256=result.config_sha256)
    running = _read(folder / RUNNING_FILE, _Running)
    if running is not None:
        since = running.started.isoformat(timespec="seconds")
        if running.host == socket.gethostname():
            if is_alive(running.pid, running.started):
                reason = f"process {running.pid} since {since}"
                return RunStatus(State.RUNNING, reason, log, job=running.job)
        elif _touched_lately(folder / RUNNING_FILE):
            reason = f"on {running.host} since {since}; it cannot be seen from this host"
            return RunStatus(State.ELSEWHERE, reason, log, job=running.job)
    if (folder / FAILED_FILE).exists():
        failed = _read(folder / FAILED_FILE, _Failed)
        reason = " ".join(failed.error.split()) if failed else f"its {FAILED_FILE} cannot be read"
        tail = last_lines(folder / LOG_FILE)
        diverged = _DIVERGED.search(reason) is not None
        return RunStatus(State.FAILED, reason, log, tail, diverged=diverged)
    if (folder / CHECKPOINT_FILE).exists():
        return RunStatus(State.INTERRUPTED, "resumes from its checkpoint", log)
    if (folder / RUNNING_FILE).exists():
        return RunStatus(State.INTERRUPTED, "before its first checkpoint", log)
    return RunStatus(State.MISSING, "", log)


def is_alive(pid: int, since: datetime) -> bool:
    """Tell whether process `pid` of this host lives and was started before `since`.

    A process that has ended but was not yet reaped does not live.
    """
    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not ended and process.create_time() <= since.timestamp() + _CLOCK_TOLERANCE
    except psutil.AccessDenied:
        return True  # it is there, and tells others nothing more
    except psutil.NoSuchProcess:
        return False


def last_lines(log: Path, count: int = 5) -> tuple[str, ...]:
    """Read the last lines of a log that are not blank; none of one that cannot be read."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(log.stat().st_size - 8192, 0))
            text = opened.read().decode("utf-8", errors="replace")
    except OSError:
        return ()
    lines = ["".join(filter(str.isprintable, line.rstrip())) for line in text.splitlines()]
    return tuple([line for line in lines if line][-count:])


def _touched_lately(path: Path) -> bool:
    """Whether the engine, which touches the file every ten seconds, seems to be at work."""
    try:
        return time.time() - path.stat().st_mtime < _SIGN_OF_LIFE
    except OSError:
        return False


def read_statuses(
    runs: Path, definition: TableDefinition, scale: str, seeds: Iterable[int] = (0,)
) -> dict[RunKey, RunStatus]:
    """Read the state of every run of a table: of `seeds`, and of any other seed on disk.

    Rows that are not available, and columns that a row has no runs in, are left out. `runs` need
    not exist.
    """
    statuses = {}
    for row in definition.rows:
        if row.unavailable is not None:
            continue
        for column in definition.columns_of(row):
            cell = f"{scale}/{definition.name}/{row.name}/{column.name}"
            for seed in sorted({*seeds, *_seeds_on_disk(runs / cell)}):
                key = RunKey(row.name, column.name, seed)
                statuses[key] = read_status(runs, f"{cell}/seed{seed}")
    return statuses


def _seeds_on_disk(cell: Path) -> set[int]:
    if not cell.is_dir():
        return set()
    names = (folder.name.removeprefix("seed") for folder in cell.glob("seed*"))
    return {int(name) for name in names if name.isdecimal() and str(int(name)) == name}


def _read(path: Path, model: type[_Model]) -> _Model | None:
    """Read a small file of the engine; None where it is missing or cannot be understood."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
