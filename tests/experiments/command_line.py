"""Running `boxseg` in this process, as a shell would."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.cli import main
from experiments.run.logs import OWN_LOGGERS


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one sentence on standard error of a command that was refused."""
        assert self.code == 2, (self.code, self.err)
        assert "Traceback" not in self.err
        *before, last = self.err.splitlines()
        assert last.startswith("boxseg: "), self.err
        assert last.endswith("."), last
        assert not any(line.startswith("boxseg: ") for line in before), self.err
        return last.removeprefix("boxseg: ")


def boxseg(*words: object) -> Outcome:
    """Run `boxseg WORDS...`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        settings_restored(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # of the argument parser
            code = int(stop.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def train(run_dir: Path, *words: object) -> Outcome:
    """Run `boxseg train scale=smoke run_dir=...` on one thread, as results to compare need it."""
    return boxseg("train", "scale=smoke", "threads=1", f"run_dir={run_dir}", *words)


def trained(run_dir: Path, *words: object) -> Path:
    """The directory of a run that ends well."""
    outcome = train(run_dir, *words)
    assert outcome.code == 0, outcome.err
    return run_dir


def result(run_dir: Path) -> dict[str, Any]:
    """A run's `result.json`."""
    content: dict[str, Any] = json.loads((run_dir / "result.json").read_text())
    return content


def losses(run_dir: Path) -> list[dict[str, float]]:
    """A run's `metrics.jsonl` without the time, which no two runs share."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        assert line.pop("seconds_per_iteration") > 0
    return lines


@contextlib.contextmanager
def settings_restored() -> Iterator[None]:
    """Undo what a command sets for its whole process."""
    loggers = [logging.getLogger(name) for name in (None, *OWN_LOGGERS)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    raise_exceptions = logging.raiseExceptions
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(False)
            logging.raiseExceptions = raise_exceptions
            for logger, level, handlers in before:
                logger.setLevel(level)
                logger.handlers[:] = handlers
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
