"""What of a command's log records is shown, and how."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from boxseg.errors import InputError
from boxseg.progress_display.display import DISPLAY

OWN_LOGGERS = ("boxseg", "baselines", "experiments", "reports")


class AboveBars(logging.StreamHandler):
    """Prints lines that leave progress bars whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record; bars are erased for it, and drawn anew below."""
        with DISPLAY.erased():
            super().emit(record)


def set_up_logging() -> None:
    """Plain lines of our own loggers on stderr; everything else only in a run's log file.

    A second command of one process, in a notebook, takes the place of the first.
    """
    logging.raiseExceptions = False  # a full disk must not print logging's own tracebacks
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    console = AboveBars(sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s"))
    for name in OWN_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        _set_handler(logger, console)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    _set_handler(root, logging.NullHandler())  # without it, warnings would reach stderr


def _set_handler(logger: logging.Logger, handler: logging.Handler) -> None:
    for earlier in [one for one in logger.handlers if type(one) is type(handler)]:
        logger.removeHandler(earlier)
    logger.addHandler(handler)


def log_warnings_only() -> None:
    """Say nothing but warnings: what goes on is told by the first of several processes."""
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextlib.contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Copy every log record of a run to its log file."""
    try:
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}.") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
