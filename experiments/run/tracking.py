"""What a run is tracked with, if it is there, and that no tracker ends a run."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping

from detectron2.utils import comm

from boxseg.engine.hooks import MetricWriter
from boxseg.engine.trackers import TRACKERS, TrackedRun, Tracker
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration

logger = logging.getLogger(__name__)

USUAL = "tensorboard"
"""Nobody has to ask for it, so that a run goes on without it where it is not there."""


def refuse_untracked(config: RunConfiguration) -> None:
    """Refuse a run that is to be tracked with what is not installed.

    Raises:
        InputError: what is missing, and how it is installed.
    """
    package = missing_package(config)
    if package is not None and config.tracking != USUAL:
        raise InputError(
            f"tracking={config.tracking} needs the package {package}, which is not installed; run "
            f"`pip install 'boxseg[{config.tracking}]'`, or set tracking={USUAL} or tracking=none."
        )


def missing_package(config: RunConfiguration) -> str | None:
    """The package that the tracking needs and that is not installed, if there is one."""
    if config.tracking == "none":
        return None
    package = TRACKERS[config.tracking].package
    return package if importlib.util.find_spec(package) is None else None


@contextlib.contextmanager
def tracking(config: RunConfiguration, run: TrackedRun) -> Iterator[tuple[MetricWriter, ...]]:
    """What takes the numbers of a run besides its own logs: nothing, or one; first process only.

    Raises:
        InputError: it cannot begin.
    """
    if config.tracking == "none" or not comm.is_main_process():
        yield ()
        return
    if (package := missing_package(config)) is not None:
        logger.warning(
            "%s is not installed, so that no events are written for it; `pip install %s`, or "
            "tracking=none to do without",
            package,
            package,
        )
        yield ()
        return
    try:
        tracker = TRACKERS[config.tracking](run)
    except Exception as error:  # whatever a service and its network raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"tracking={config.tracking} cannot begin ({reason[0].rstrip('.')}); mend that, or set "
            "tracking=none."
        ) from error
    guarded = Guarded(tracker)
    try:
        yield (guarded,)
    finally:
        guarded.close()


class Guarded:
    """A tracker whose failure is told, once, and ends no run.

    Args:
        tracker: open.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker: Tracker | None = tracker

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """See `boxseg.engine.hooks.MetricWriter`."""
        if self.tracker is not None:
            with self._told(self.tracker):
                self.tracker.write(iteration, values)

    def close(self) -> None:
        """Nothing more will be written."""
        if self.tracker is not None:
            with self._told(self.tracker):
                self.tracker.close()

    @contextlib.contextmanager
    def _told(self, tracker: Tracker) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a service and its network raise
            self.tracker = None
            logger.warning(
                "tracking with %s failed (%s); the run goes on without it", tracker.package, error
            )
