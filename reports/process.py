"""Whether the process that a file names is still the one that wrote it."""

from __future__ import annotations

from datetime import datetime

import psutil

# Clocks are adjusted now and then; a number is not reused within this many seconds.
_CLOCK_TOLERANCE = 60.0


def is_alive(pid: int, since: datetime) -> bool:
    """Tell whether process `pid` of this host lives and was started before `since`.

    A process that has ended but was not yet reaped does not live.
    """
    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        started = process.create_time()
    except psutil.Error:
        return False
    return not ended and started <= since.timestamp() + _CLOCK_TOLERANCE
