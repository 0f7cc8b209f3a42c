"""A payload that shows whether a pickle's code ran, and does no harm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Harmless:
    """Makes a folder when it is unpickled, where a malicious pickle would run what it likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)
