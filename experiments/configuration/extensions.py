"""What somebody else brings along: folders of YAML files, and packages with components.

Both are named on the command line, for one command, and handed on to the processes that it starts.
A configuration that comes with a checkpoint cannot name any: what it says is never a reason to run
code of a package that the user has not named.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError
from experiments.configuration.packages import OWN, Packages


@dataclass(frozen=True)
class Extensions:
    """What was named for a command.

    Attributes:
        folders: absolute; each has folders like those of `experiments/conf`.
        packages: whose components may be built, the suite's own among them.
        place: absolute; packages are imported from there, if from nowhere else.
    """

    folders: tuple[Path, ...] = ()
    packages: Packages = OWN
    place: Path | None = None

    @staticmethod
    def named(folders: Sequence[Path], packages: Sequence[str]) -> Extensions:
        """Those that a command line in the working folder names.

        Raises:
            InputError: a folder is not there, or a package cannot be imported.
        """
        for folder in folders:
            if not folder.is_dir():
                raise InputError(
                    f"there is no folder {folder} with configuration files; name one with "
                    "--config-dir DIR."
                )
        place = Path.cwd()
        extensions = Extensions(
            tuple(folder.resolve() for folder in folders), OWN.with_names(packages), place
        )
        extensions.make_importable()
        for package in packages:
            if not _is_importable(package):
                raise InputError(
                    f"there is no package {package!r} to import from {place} or from PYTHONPATH; "
                    "name one with --package NAME."
                )
        return extensions

    def make_importable(self) -> None:
        """Let this process find the packages where the command found them."""
        if self.packages != OWN and self.place is not None and str(self.place) not in sys.path:
            sys.path.append(str(self.place))  # last: it must not hide what is installed


_in_use = Extensions()


def use(extensions: Extensions) -> None:
    """Let this process compose and build with them, and with none that were in use before."""
    global _in_use
    _in_use = extensions
    extensions.make_importable()


def in_use() -> Extensions:
    """What this process composes and builds with."""
    return _in_use


def _is_importable(package: str) -> bool:
    try:
        return all(package.split(".")) and importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
