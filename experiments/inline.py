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

    A directory that holds a run of another configuration is moved aside, not overwritten.

    Returns:
        Per failed run, why it failed.
    """
    failures = {}
    for number, run in enumerate(runs, start=1):
        config = run.config()
        directory = RunDirectory(run.directory)
        digest = config_sha256(config)
        if directory.finished_result(digest) is not None:
            logger.info("[%d/%d] %s is finished", number, len(runs), run.name)
            continue
        try:
            moved = directory.move_aside_if_of_another(digest)
            if moved is not None:
                logger.info("%s was of another configuration; moved to %s", run.directory, moved)
            logger.info("[%d/%d] %s", number, len(runs), run.name)
            execute(config, run.cell)
        except (InputError, DivergedError) as error:
            failures[run.name] = str(error)
            logger.error("%s failed: %s", run.name, error)
    return failures
