"""Running a table's runs one after the other in this process."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.trainer import DivergedError
from boxseg.errors import InputError
from experiments.compose import config_sha256
from experiments.execute import execute
from experiments.tables import Run

logger = logging.getLogger(__name__)


def run_inline(runs: Sequence[Run]) -> dict[str, str]:
    """Run what is not finished yet; a failed run does not stop the others.

    Returns:
        Per failed run, why it failed.
    """
    failures = {}
    for number, run in enumerate(runs, start=1):
        logger.info("[%d/%d] %s", number, len(runs), run.name)
        reason = run_one(run)
        if reason is not None:
            failures[run.name] = reason
    return failures


def run_one(run: Run) -> str | None:
    """Run one run unless it is finished; returns why it failed, if it did.

    A directory that holds a run of another configuration is moved aside, not overwritten.
    """
    config = run.config()
    directory = RunDirectory(run.directory)
    digest = config_sha256(config)
    try:
        if directory.finished_result(digest) is not None:
            logger.info("%s is finished", run.name)
            return None
        moved = directory.move_aside_if_of_another(digest)
        if moved is not None:
            logger.info("%s was of another configuration; moved to %s", run.directory, moved)
        execute(config, run.cell)
    except (InputError, DivergedError) as error:
        logger.error("%s failed: %s", run.name, error)
        return str(error)
    return None
