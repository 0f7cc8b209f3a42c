"""The YAML files that a configuration is composed from, and the words that choose among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from boxseg.errors import InputError
from experiments.configuration.extensions import in_use

FOLDER = Path(__file__).resolve().parents[1] / "conf"
"""Where the suite's YAML files are."""

PARTS = (
    "supervision",
    "detection",
    "rescoring",
    "losses",
    "pseudo_labels",
    "copy_paste",
    "segmenter",
    "step",
)
"""What a method is composed of."""

GROUPS = ("method", *PARTS, "dataset", "scale", "launcher")
"""Words of the command line that choose a file, and the folders that these are in."""

TABLES = "table"
"""The folder of the tables' definitions, which no word chooses."""


def folders() -> tuple[Path, ...]:
    """The suite's folder of YAML files, and those named on the command line.

    Raises:
        InputError: one of them has no such files, or has one of a name that another has too.
    """
    found: dict[Path, Path] = {}
    own = in_use().folders
    for folder in (FOLDER, *own):
        files = list(_files(folder))
        if folder in own and not files:
            raise InputError(
                f"--config-dir {folder} has no YAML file in a folder that choices are in "
                f"({', '.join((*GROUPS, TABLES))})."
            )
        for file in files:
            name = file.relative_to(folder)
            if name in found:
                raise InputError(
                    f"{file} has the name of {found[name]}, so that {name.parent}={name.stem} "
                    "would mean both; rename it."
                )
            found[name] = file
    return (FOLDER, *own)


def _files(folder: Path) -> Iterator[Path]:
    for group in (*GROUPS, TABLES):
        yield from sorted((folder / group).glob("*.yaml"))


def files_of(group: str) -> dict[str, Path]:
    """The files of a group in all folders, by their names, in the order of these."""
    files = [file for folder in folders() for file in (folder / group).glob("*.yaml")]
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}


def choices(group: str) -> list[str]:
    """Names of the files one can choose for a group, such as `method` or `dataset`."""
    return list(files_of(group))


def refuse_unknown(group: str, name: str) -> None:
    """Raise `InputError` unless `name` is one of the choices for `group`."""
    if name not in choices(group):
        raise InputError(
            f"there is no {group} {name!r}; choose one of {', '.join(choices(group))}."
        )
