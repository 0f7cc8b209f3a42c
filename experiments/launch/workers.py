"""Processes of this machine, one for each task, forked from one that imported what they need."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any

from boxseg.progress_display.display import DISPLAY
from experiments.configuration.extensions import Extensions, in_use, use
from experiments.launch.interrupts import begun_whole
from experiments.launch.schedule import threads_of_next
from experiments.run.logs import set_up_logging

CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Task:
    """What a process does.

    Attributes:
        name: for messages.
        function: of a module; returns why it failed, or None.
        arguments: that it is called with; they are pickled.
        threads: that it computes with; None for its share of those that are idle.
    """

    name: str
    function: Callable[..., str | None]
    arguments: tuple[Any, ...]
    threads: int | None


def warm_up() -> None:
    """Start to import what runs need, in a process of its own; does not wait for it."""
    CONTEXT.set_forkserver_preload(["experiments.launch.preloaded"])
    # It would look in the working folder first, where anything may lie that hides a module.
    as_here = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    before = {name: os.environ.get(name) for name in as_here}
    os.environ |= as_here
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wait_until_imported() -> None:
    """Wait until a process begins at once, which none does before all is imported.

    A Ctrl-C is heeded meanwhile.
    """
    first = CONTEXT.Process(target=_nothing)
    first.start()
    first.join()


def _nothing() -> None:
    """What is there to do for a process that tells that processes begin."""


class Worker:
    """A process at work on a task, forked anew, so that nothing of another one is in it.

    Args:
        task: of the process.
        threads: that it computes with.
        has_bar: whether its progress is shown here, so that it need not print it.
    """

    def __init__(self, task: Task, threads: int, has_bar: bool = False) -> None:
        self.task = task
        self.threads = threads
        self.started = time.monotonic()
        self.answer, far_answer = CONTEXT.Pipe(duplex=False)
        self.output, far_output = CONTEXT.Pipe(duplex=False)
        os.set_blocking(self.output.fileno(), False)
        self.prints = True
        self.unended = b""
        self.process = CONTEXT.Process(
            target=_work,
            args=(task, threads, has_bar, far_answer, far_output, in_use()),
            name=task.name,
        )
        self.process.start()
        far_answer.close()
        far_output.close()

    def lines(self, to_the_end: bool) -> list[str]:
        """The whole lines that it has printed since the last call, or all that there is."""
        parts = [self.unended]
        while self.prints:
            try:
                parts.append(os.read(self.output.fileno(), 1 << 16))
            except BlockingIOError:
                break
            self.prints = parts[-1] != b""
        *whole, self.unended = b"".join(parts).split(b"\n")
        if self.unended and (to_the_end or not self.prints):
            whole.append(self.unended)
            self.unended = b""
        return [line.decode(errors="replace") for line in whole]

    def outcome(self) -> str | None:
        """Why the task failed, or None; of a process that has ended."""
        self.process.join()
        reason: str | None
        try:
            reason = self.answer.recv() if self.answer.poll() else _how(self.process.exitcode)
        except (EOFError, OSError):
            reason = _how(self.process.exitcode)
        self.answer.close()
        self.output.close()
        return reason


def _how(code: int | None) -> str:
    """How a process ended that did not say."""
    code = code or 0
    how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended ({code})"
    return f"its process {how}; the same command resumes it"


class Workers:
    """So many processes at a time.

    Args:
        jobs: processes.
        say: prints a line.
        have_bars: see `Worker`.
    """

    def __init__(self, jobs: int, say: Callable[[str], None], have_bars: bool = False) -> None:
        self.jobs = jobs
        self.say = say
        self.have_bars = have_bars
        self.cores = len(os.sched_getaffinity(0))
        self.busy: list[Worker] = []

    def work_off(self, tasks: Sequence[Task]) -> Iterator[tuple[Worker, str | None]]:
        """Do tasks in their order; one that dies takes no other with it.

        Yields:
            Per task, as they end, the process that did it, and why it failed, or None.
        """
        waiting = list(tasks)
        try:
            if waiting:
                _wait_until_imported()
            while waiting or self.busy:
                while waiting and len(self.busy) < self.jobs:
                    starting = min(self.jobs - len(self.busy), len(waiting))
                    task = waiting.pop(0)
                    taken = [worker.threads for worker in self.busy]
                    threads = task.threads or threads_of_next(self.cores, taken, starting)
                    with begun_whole():  # one that nobody knows of would outlive this process
                        self.busy.append(Worker(task, threads, self.have_bars))
                for worker in self._ended():
                    self.busy.remove(worker)
                    yield worker, worker.outcome()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        """End what is at work: whatever trains saves first, unless Ctrl-C comes once more."""
        try:
            for worker in self.busy:
                worker.process.terminate()
            if self.busy:
                self.say("ending after the steps at work; a second Ctrl-C ends at once, unsaved")
            while self.busy:
                for worker in self._ended():
                    self.busy.remove(worker)
        except KeyboardInterrupt:
            for worker in self.busy:
                worker.process.kill()
            raise

    def _ended(self) -> list[Worker]:
        """Hand on what is printed until something happens; the processes that have ended, if any.

        The end of a process is what its sentinel tells: a killed one may leave processes of its own
        behind that hold the other ends of its pipes for a while.
        """
        sentinels = [worker.process.sentinel for worker in self.busy]
        ready = wait([*sentinels, *(worker.output for worker in self.busy if worker.prints)])
        ended = [worker for worker in self.busy if worker.process.sentinel in ready]
        for worker in self.busy:
            for line in worker.lines(to_the_end=worker in ended):
                self.say(line)
        return ended


def _work(
    task: Task,
    threads: int,
    has_bar: bool,
    answer: Connection,
    output: Connection,
    extensions: Extensions,
) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output.fileno(), stream.fileno())
    output.close()
    multiprocessing.set_start_method(None, force=True)  # a run's loaders start as anywhere else
    try:
        import torch

        use(extensions)
        set_up_logging()
        if has_bar:
            DISPLAY.leave_to_another()
        torch.set_num_threads(threads)
        with contextlib.suppress(BrokenPipeError):
            answer.send(task.function(*task.arguments))
    except KeyboardInterrupt:  # it has been heeded; how the process ends tells the launcher
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
