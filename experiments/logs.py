"""What of a command's log records is shown, and how."""

from __future__ import annotations

import logging
import sys
import warnings


def set_up_logging() -> None:
    """Plain lines of our own loggers on stderr; everything else only in a run's log file."""
    logging.raiseExceptions = False  # a full disk must not print logging's own tracebacks
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s"))
    for name in ("boxseg", "baselines", "experiments", "reports"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(console)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.addHandler(logging.NullHandler())  # without it, warnings would reach stderr
