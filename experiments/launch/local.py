"""Running a table's runs in several processes of this machine."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from experiments.configuration.extensions import Extensions, in_use, use
from experiments.launch.inline import is_finished, run_one
from experiments.launch.runs import Run
from experiments.run.data import dataset_of
from experiments.run.logs import set_up_logging

logger = logging.getLogger(__name__)


def run_locally(runs: Sequence[Run], jobs: int) -> dict[str, str]:
    """Run what is not finished yet, `jobs` runs at a time, the machine's threads divided.

    A process that is killed (by hand, or for want of memory) takes only its own run with it; the
    next call resumes that one.

    Args:
        runs: of one or more tables.
        jobs: processes.

    Returns:
        Per failed run, why it failed.
    """
    missing = [run for run in runs if not is_finished(run)]
    logger.info("%d of %d runs are finished", len(runs) - len(missing), len(runs))
    for config in {str(c.dataset): c for c in (run.of_cell for run in missing)}.values():
        dataset_of(config)  # made once, before the processes would each make it
    threads = max(len(os.sched_getaffinity(0)) // jobs, 1)
    failures = {}
    workers: list[_Worker] = []
    remaining = iter(missing)
    done = 0
    try:
        for _ in range(min(jobs, len(missing))):
            workers.append(_Worker.started(threads, next(remaining)))
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                workers.remove(worker)
                done += 1
                reason = worker.outcome()
                if reason is None:
                    logger.info("[%d/%d] %s done", done, len(missing), worker.run.name)
                else:
                    logger.info("[%d/%d] %s: %s", done, len(missing), worker.run.name, reason)
                    failures[worker.run.name] = reason
                following = next(remaining, None)
                if following is None:
                    worker.connection.close()
                else:
                    workers.append(worker.going_on_with(following, threads))
    except BaseException:
        for worker in workers:
            worker.process.terminate()  # which lets it save first
        raise
    return failures


@dataclass(frozen=True)
class _Worker:
    """A process and the run it works on; when the connection is closed on either side, it ends."""

    process: SpawnProcess
    connection: Connection
    run: Run

    @staticmethod
    def started(threads: int, run: Run) -> _Worker:
        context = multiprocessing.get_context("spawn")
        connection, far_end = context.Pipe()
        process = context.Process(target=_work, args=(far_end, threads, in_use()))
        process.start()
        far_end.close()
        with contextlib.suppress(OSError):  # it has died already, as `outcome` will tell
            connection.send(run)
        return _Worker(process, connection, run)

    def going_on_with(self, run: Run, threads: int) -> _Worker:
        """Hand over a run, to a new process if this one is dead."""
        try:
            self.connection.send(run)
        except OSError:
            self.connection.close()
            return _Worker.started(threads, run)
        return _Worker(self.process, self.connection, run)

    def outcome(self) -> str | None:
        """Why the run failed, or None; waits for neither."""
        try:
            reason: str | None = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended ({code})"
            return f"its process {how}; the same command resumes it"
        return reason


def _work(connection: Connection, threads: int, extensions: Extensions) -> None:
    use(extensions)
    set_up_logging()
    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            connection.send(run_one(connection.recv()))
