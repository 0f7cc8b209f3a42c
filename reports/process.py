"""Whether the process that a file names is still the one that wrote it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

# Clocks are adjusted now and then; a number is not reused within this many seconds.
_CLOCK_TOLERANCE = 60.0


def is_alive(pid: int, since: datetime) -> bool:
    """Tell whether process `pid` of this host lives and was started before `since`.

    A process that has ended but was not yet reaped does not live. Where there is no /proc, any
    process of that number counts.
    """
    if not Path("/proc/self/stat").exists():
        return _exists(pid)
    try:
        # The command's name, in brackets, may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, ticks = fields[0], int(fields[19])
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, IndexError, StopIteration):
        return False
    started = boot + ticks / os.sysconf("SC_CLK_TCK")
    return state not in "ZX" and started <= since.timestamp() + _CLOCK_TOLERANCE


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
