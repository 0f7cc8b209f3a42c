"""Which run is next, on how many threads, and how long all of them will still take."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def longest_first(items: Sequence[T], work: Callable[[T], float]) -> list[T]:
    """The order to take items in, so that none of them is left over at the end, long and alone.

    Graham's longest processing time rule: all are done at the latest after 4/3 of the least time
    possible (R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", SIAM Journal on Applied
    Mathematics 17, 1969). Items of equal work keep their order.
    """
    return sorted(items, key=work, reverse=True)


def threads_of_next(cores: int, taken: Sequence[int], starting: int) -> int:
    """Threads of the next process: its share of the cores that are idle, and one at least.

    Args:
        cores: of the machine.
        taken: threads of each process at work.
        starting: processes that are about to start, the next one included.
    """
    return max((cores - sum(taken)) // starting, 1)


@dataclass(frozen=True)
class Begun:
    """A run that was begun, now or in an earlier call.

    Attributes:
        work: of the whole run, estimated, in any unit.
        before: share of it that was done when its process started, 0 to 1.
        done: share of it that is done now, 0 to 1.
        seconds: since its process started; of a run that has ended, what it took.
    """

    work: float
    before: float
    done: float
    seconds: float


def seconds_left(begun: Sequence[Begun], waiting: Sequence[float], jobs: int) -> float | None:
    """Seconds until all runs are done, or None as long as nothing tells the speed.

    A run at work goes on as fast as it was; those that wait take as long for their work as the
    others did on average, and start as soon as there is a place.

    Args:
        begun: runs at work and runs that ended, as far as they were timed.
        waiting: work of those that have not started, in the order they will, in the same unit.
        jobs: runs at a time.
    """
    measured = [run for run in begun if run.done > run.before]
    if not measured:
        return None
    average = sum(run.seconds for run in measured) / sum(
        run.work * (run.done - run.before) for run in measured
    )
    ends = []
    for run in begun:
        if run.done < 1:
            progress = run.done - run.before
            pace = run.seconds / progress if progress > 0 else average * run.work
            ends.append(pace * (1 - run.done))
    ends += [0.0] * (jobs - len(ends))
    heapq.heapify(ends)
    for work in waiting:
        heapq.heapreplace(ends, ends[0] + average * work)
    return max(ends)


class Timetable:
    """How long several runs will still take, from what those that ended took.

    Args:
        work: of each run by its name, in the order in which they will start.
    """

    def __init__(self, work: Mapping[str, float]) -> None:
        self._work = work
        self._ended: set[str] = set()
        self._timed: list[Begun] = []

    def end(self, name: str, took: Begun | None) -> None:
        """Count a run as ended; one that failed (`took` is None) tells nothing of the speed."""
        self._ended.add(name)
        if took is not None:
            self._timed.append(took)

    @property
    def timed(self) -> int:
        """Give the number of runs that ended and tell of the speed."""
        return len(self._timed)

    def seconds_left(self, at_work: Mapping[str, Begun], jobs: int) -> float | None:
        """Give `seconds_left` of all runs, `at_work` being those that have a process by name."""
        begun = [*self._timed, *at_work.values()]
        not_waiting = self._ended | at_work.keys()
        waiting = [work for name, work in self._work.items() if name not in not_waiting]
        return seconds_left(begun, waiting, jobs)


def summary(done: int, failed: int, total: int, seconds: float | None) -> str:
    """One line on all runs, such as "7 of 8 runs done, 4 min left in all"."""
    parts = [f"{done} of {total} runs done"]
    if failed:
        parts.append(f"{failed} failed")
    if seconds is not None and done + failed < total:
        parts.append(f"{_duration(seconds)} left in all")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
