"""Running a table's runs one after the other in this process."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.interrupts import importing
from experiments.launch.runs import Run
from experiments.launch.sharing import share
from experiments.run.cell_name import CellName

logger = logging.getLogger(__name__)


def run_inline(runs: Sequence[Run]) -> dict[str, str]:
    """Run what is not finished yet; a failed run does not stop the others.

    Runs of one configuration are one (see `experiments.launch.sharing`). What another process is at
    work on comes last, and is waited for.

    Returns:
        Per failed run, why it failed.
    """
    shared = share(runs)
    if (same := shared.text()) is not None:
        logger.info(same)
    failures = {}
    for number, run in enumerate(free_first(shared.trained), start=1):
        logger.info("[%d/%d] %s", number, len(shared.trained), run.name)
        reason = run_one(run.configuration, run.cell, math.inf)
        if reason is not None:
            failures[run.name] = reason
    return shared.failures(failures)


def free_first(runs: Sequence[Run]) -> list[Run]:
    """The same in their order, but those last that another process is at work on."""

    def is_taken(run: Run) -> bool:
        directory = RunDirectory(run.directory)
        return not directory.is_finished(run.sha256) and not directory.wait_until_free(0.0)

    return sorted(runs, key=is_taken)


def run_one(config: RunConfiguration, cell: CellName, patience: float) -> str | None:
    """Run one run unless it is finished; returns why it failed, if it did.

    A directory that holds a run of another configuration is moved aside, not overwritten.

    Args:
        config: of the run.
        cell: that it fills.
        patience: seconds to wait for another process that is at work on the run.
    """
    directory, digest = RunDirectory(Path(config.run_dir)), config.sha256
    name = cell.with_seed(config.seed)
    if directory.is_finished(digest):
        logger.info("%s is finished", name)
        return None
    # Finding that nothing is left to do needs no torch, which takes seconds to import.
    with importing():
        from boxseg.engine.distributed import init_from_environment, on_first_rank
        from boxseg.engine.trainer import DivergedError
        from experiments.run.execute import execute

    try:
        init_from_environment()
        on_first_rank(lambda: _wait_for_others(directory, name, patience))
        changed = config.contents.changed_since(directory.recorded_contents())
        moved = on_first_rank(lambda: directory.move_aside_if_of_another(digest))
        if moved is not None:
            other = f"other {' and '.join(changed)}" if changed else "another configuration"
            logger.info("%s was made with %s; moved to %s", directory.path, other, moved)
        execute(config, cell)
    except (InputError, DivergedError) as error:
        logger.error("%s failed: %s", name, error)
        return str(error)
    return None


def _wait_for_others(directory: RunDirectory, name: str, patience: float) -> None:
    if not directory.wait_until_free(0.0):
        logger.info("%s: waiting for another process that is at work on it", name)
        directory.wait_until_free(patience)
