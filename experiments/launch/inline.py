"""Running a table's runs one after the other in this process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.runs import Run
from experiments.run.cell_name import CellName

logger = logging.getLogger(__name__)


def run_inline(runs: Sequence[Run]) -> dict[str, str]:
    """Run what is not finished yet; a failed run does not stop the others.

    Returns:
        Per failed run, why it failed.
    """
    failures = {}
    for number, run in enumerate(runs, start=1):
        logger.info("[%d/%d] %s", number, len(runs), run.name)
        reason = run_one(run.configuration, run.cell)
        if reason is not None:
            failures[run.name] = reason
    return failures


def is_finished(run: Run) -> bool:
    """Whether the run has a result of its configuration; one that cannot be read is none.

    Raises:
        InputError: there is no such configuration.
    """
    return _has_result(RunDirectory(run.directory), run.sha256)


def run_one(config: RunConfiguration, cell: CellName) -> str | None:
    """Run one run unless it is finished; returns why it failed, if it did.

    A directory that holds a run of another configuration is moved aside, not overwritten.
    """
    directory, digest = RunDirectory(Path(config.run_dir)), config.sha256
    name = cell.with_seed(config.seed)
    if _has_result(directory, digest):
        logger.info("%s is finished", name)
        return None
    # Finding that nothing is left to do needs no torch, which takes seconds to import.
    from boxseg.engine.distributed import init_from_environment, on_first_rank
    from boxseg.engine.trainer import DivergedError
    from experiments.run.execute import execute

    try:
        init_from_environment()
        moved = on_first_rank(lambda: directory.move_aside_if_of_another(digest))
        if moved is not None:
            logger.info("%s was of another configuration; moved to %s", directory.path, moved)
        execute(config, cell)
    except (InputError, DivergedError) as error:
        logger.error("%s failed: %s", name, error)
        return str(error)
    return None


def _has_result(directory: RunDirectory, digest: str) -> bool:
    try:
        return directory.finished_result(digest) is not None
    except InputError:
        return False
