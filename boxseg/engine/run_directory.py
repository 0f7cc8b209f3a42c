"""A run's directory: who works in it, what it was configured with, how it ended."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boxseg.engine.lock import BEAT, HeldError, beating, beats, locked
from boxseg.engine.step_log import StepLog
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically, write_text_atomically

CHECKPOINT = "checkpoint.pt"

LOOK = 0.5
"""Seconds that others may hold a directory's lock only to see whether it is free."""


def now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def checkpoint_file(place: Path) -> Path:
    """The checkpoint in a run's directory, or the file that was named itself."""
    return place / CHECKPOINT if place.is_dir() else place


class RunDirectory:
    """The files of one run (design: "A run's directory").

    Args:
        path: of the directory; made when needed.
        beat: seconds between the signs of life of who works in it; see `boxseg.engine.lock`.
    """

    def __init__(self, path: Path, beat: float = BEAT) -> None:
        self.path = path
        self.beat = beat
        self.config = path / "config.yaml"
        self.log = path / "log.txt"
        self.metrics = path / "metrics.jsonl"
        self.evaluations = path / "evaluations.jsonl"
        self.checkpoint = path / CHECKPOINT
        self.best_checkpoint = path / "checkpoint-best.pt"
        self.predictions = path / "predictions.json"
        self.result = path / "result.json"
        self.running = path / "running.json"
        self.failed = path / "failed.json"
        self.contents = path / "contents.json"
        self.start = path / "started_from.json"
        self._digest = path / "config.sha256"
        self._lock = path / ".lock"

    def finished_result(self, config_sha256: str) -> dict[str, Any] | None:
        """The result of a finished run of this configuration, if there is one."""
        if not self.result.exists():
            return None
        result = read_json(self.result)
        same = isinstance(result, dict) and result.get("config_sha256") == config_sha256
        return result if same else None

    def is_finished(self, config_sha256: str) -> bool:
        """Whether there is a result of this configuration; one that cannot be read is none."""
        try:
            return self.finished_result(config_sha256) is not None
        except InputError:
            return False

    def config_sha256(self) -> str | None:
        """Of the configuration that the directory is for or has a result of, if that is known."""
        try:
            return self._digest.read_text().strip()
        except OSError:
            pass
        try:
            return str(read_json(self.result)["config_sha256"])
        except (InputError, KeyError, TypeError):
            return None

    def choose(self, config_sha256: str) -> None:
        """Say before any work that a run of this configuration is going to be here.

        Where work lies already nothing changes.
        """
        if self.checkpoint.exists() or self.result.exists():
            return
        if self.config_sha256() != config_sha256:
            self.path.mkdir(parents=True, exist_ok=True)
            self._digest.write_text(config_sha256 + "\n")

    def steps(self) -> int:
        """Steps that are done, as `metrics.jsonl` has them; every few steps it gets a line."""
        return int(self.last_metrics().get("iteration", 0))

    def last_metrics(self) -> dict[str, float]:
        """The numbers of the last whole line of `metrics.jsonl`; none where there is no such."""
        return StepLog(self.metrics).last()

    def belongs_to_another(self, config_sha256: str) -> bool:
        """Whether the directory holds work of a different configuration.

        What was refused before its first checkpoint left nothing that is worth keeping.
        """
        if not self._digest.exists() or self._digest.read_text().strip() == config_sha256:
            return False
        return self.checkpoint.exists() or self.result.exists()

    def move_aside_if_of_another(self, config_sha256: str) -> Path | None:
        """Make room for a run of this configuration, keeping what another one left.

        Returns:
            The place the directory was moved to, or None if it stays.

        Raises:
            InputError: another process works in it, or it cannot be written.
        """
        if not self.belongs_to_another(config_sha256):
            return None
        with self._locked():
            return self._moved_aside()

    def give_way(self) -> None:
        """Make room for something else, keeping what is there unless nothing has been done in it.

        Raises:
            InputError: another process works in it, or it cannot be written.
        """
        with self._locked():
            moved = self._moved_aside()
        before_work = (self.config, self.contents, self.start, self._digest, self._lock)
        chosen_only = {file.name for file in before_work}
        if {file.name for file in moved.iterdir()} <= chosen_only:
            shutil.rmtree(moved)

    def _moved_aside(self) -> Path:
        stale = (self.config_sha256() or "unknown")[:8]
        target = self.path.with_name(f".{self.path.name}-{stale}")
        number = 1
        while target.exists():
            number += 1
            target = self.path.with_name(f".{self.path.name}-{stale}-{number}")
        self.path.rename(target)
        return target

    def recorded_contents(self) -> dict[str, str | None]:
        """The digests of the files that the run was made from, as far as they are on record."""
        try:
            found = read_json(self.contents)
        except InputError:
            return {}
        return found if isinstance(found, dict) else {}

    def write_config(
        self,
        config_yaml: str,
        config_sha256: str,
        contents: Mapping[str, str | None] | None = None,
    ) -> None:
        """Record the resolved configuration.

        Args:
            config_yaml: the configuration.
            config_sha256: its hash.
            contents: digests of the files that the run is made from, by what they are to it.

        Raises:
            InputError: the directory belongs to another configuration, or cannot be written.
        """
        if self.belongs_to_another(config_sha256):
            raise InputError(
                f"{self.path} holds a run of another configuration (see {self.config}); "
                "choose another run_dir or move it away."
            )
        if contents:
            write_json_atomically(self.contents, dict(contents))
        write_text_atomically(self.config, config_yaml)
        write_text_atomically(self._digest, config_sha256 + "\n")

    @contextlib.contextmanager
    def occupied(self) -> Iterator[None]:
        """Work in the directory, alone; what ends the work in an error is recorded.

        Raises:
            InputError: another process works in it, or it cannot be written.
        """
        with self._locked():
            process = {
                "pid": os.getpid(),
                "host": platform.node(),
                "started": now(),
                "job": _slurm_job(),
            }
            write_json_atomically(self.running, process)
            self.failed.unlink(missing_ok=True)
            try:
                with beating(self.running, self.beat):
                    yield
            except Exception as error:
                with contextlib.suppress(InputError):  # a full disk must not hide the reason
                    reason = str(error) or type(error).__name__
                    write_json_atomically(self.failed, {"error": reason, "time": now()})
                raise
            finally:
                self.running.unlink(missing_ok=True)

    def wait_until_free(self, patience: float) -> bool:
        """Wait while another process works in the directory, so many seconds at most.

        Returns:
            Whether no other process works there now.
        """
        try:
            with locked(self._lock, patience):
                return True
        except HeldError:
            return False
        except OSError:  # there is no directory yet
            return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes out; the system lets them in when this one ends, however it ends."""
        with contextlib.ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self._lock, LOOK))
                if self._left_by_another_host() and beats(self.running, 3 * self.beat):
                    raise HeldError
            except HeldError:
                raise InputError(
                    f"another process is at work in {self.path}; wait for it or choose another "
                    "run_dir."
                ) from None
            except OSError as error:
                raise InputError(
                    f"cannot write in run directory {self.path}: {error.strerror}; "
                    "choose another run_dir or mend its permissions."
                ) from None
            yield

    def _left_by_another_host(self) -> bool:
        """Whether another machine worked here last, and did not come to an end."""
        try:
            return bool(read_json(self.running)["host"] != platform.node())
        except (InputError, KeyError, TypeError):
            return False


def _slurm_job() -> str | None:
    """The job that this process is part of, as Slurm's commands name it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    return os.environ.get("SLURM_JOB_ID")
