"""Waiting for the runs that Slurm has, and showing how far they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from boxseg.engine.run_directory import RunDirectory
from experiments.launch.progress import AT_WORK, RunProgress, count_text, progress_at_work
from experiments.launch.runs import Run
from experiments.launch.runs_display import RunsDisplay
from experiments.launch.slurm.statuses import LIVE
from experiments.launch.slurm.submit import statuses_by_name
from reports.status import RunStatus, State

PATIENCE = 60.0
"""Seconds of silence, away from a terminal, that are broken: a queue may take days."""


def wait_for(runs: Sequence[Run], root: Path, seconds: float = 10.0) -> dict[str, str]:
    """Return when none of the runs is queued or at work.

    Args:
        runs: all of one scale; at least one.
        root: folder of the runs.
        seconds: from one look at Slurm's queue to the next. How far runs are is told by their own
            files, more often.

    Returns:
        Per run that is not done, why.
    """
    waiting = _Waiting(runs, root)
    with RunsDisplay(waiting.text, waiting.at_work, lambda: PATIENCE) as display:
        told = 0
        while left := waiting.number_left():
            if left != told and not display.has_bars:
                display.say(f"waiting for {left} runs ({waiting.text()})")
            told = left
            try:
                time.sleep(seconds)
            except KeyboardInterrupt:
                display.say("no longer waiting; the jobs go on, and `boxseg cancel` ends them")
                raise
            waiting.look()
    return {
        name: status.reason or str(status.state)
        for name, status in waiting.statuses.items()
        if status.state is not State.DONE
    }


class _Waiting:
    """What was known of the runs at the last look; read by the display's thread."""

    def __init__(self, runs: Sequence[Run], root: Path) -> None:
        self.runs = runs
        self.root = root
        self.look()

    def look(self) -> None:
        """Ask Slurm."""
        self.statuses: dict[str, RunStatus] = statuses_by_name(self.runs, self.root)

    def number_left(self) -> int:
        """Runs that are queued or at work; cells that share one count once."""
        return len({run.directory.resolve() for run in self._in(LIVE)})

    def text(self) -> str:
        """One line on all runs."""
        return count_text(self.statuses)

    def at_work(self) -> dict[str, RunProgress]:
        """How far each of those at work is, by its name; of cells that share a run the first."""
        found: dict[Path, tuple[str, RunProgress]] = {}
        for run in self._in(AT_WORK):
            progress = progress_at_work(RunDirectory(run.directory), run.of_cell)
            found.setdefault(run.directory.resolve(), (run.name, progress))
        return dict(found.values())

    def _in(self, states: Collection[State]) -> list[Run]:
        statuses = self.statuses
        return [run for run in self.runs if statuses[run.name].state in states]
