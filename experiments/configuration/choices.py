"""The YAML files that a configuration is composed from, and the words that choose among them."""

from __future__ import annotations

from pathlib import Path

from boxseg.errors import InputError

FOLDER = Path(__file__).resolve().parents[1] / "conf"
"""Where the YAML files are."""

GROUPS = ("method", "dataset", "scale", "pseudo_labels", "copy_paste", "launcher")
"""Words of the command line that choose a file, and the folders that these are in."""


def choices(group: str) -> list[str]:
    """Names of the files one can choose for `method`, `dataset` or `scale`."""
    return sorted(file.stem for file in (FOLDER / group).glob("*.yaml"))


def refuse_unknown(group: str, name: str) -> None:
    """Raise `InputError` unless `name` is one of the choices for `group`."""
    if name not in choices(group):
        raise InputError(
            f"there is no {group} {name!r}; choose one of {', '.join(choices(group))}."
        )
