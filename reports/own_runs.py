"""Single runs, of no table: what each left in its folder, and how their configurations differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from boxseg.errors import InputError
from reports.differing_keys import differing_keys
from reports.result_file import RESULT_FILE, RefusedResult, RunResult, load_result

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class OwnRun:
    """A run that was named by its folder.

    Attributes:
        label: the end of the folder's path that tells it from the others'.
        folder: of the run.
        configuration: in plain containers.
        result: None where the run has not ended.
    """

    label: str
    folder: Path
    configuration: Mapping[str, Any]
    result: RunResult | None


def is_run(folder: Path) -> bool:
    """Tell whether a folder is that of one run."""
    return (folder / CONFIG_FILE).is_file()


def read_own_runs(folders: Sequence[Path]) -> tuple[OwnRun, ...]:
    """Read runs in the order given.

    Args:
        folders: of the runs, at least one.

    Raises:
        InputError: a folder is none of a run, is named twice, or has a file that cannot be read.
    """
    places = [folder.resolve() for folder in folders]
    twice = [place for place, count in Counter(places).items() if count > 1]
    if twice:
        raise InputError(f"the run {twice[0]} is named twice; name each run once.")
    for folder in folders:
        if not is_run(folder):
            raise InputError(
                f"{folder} is no folder of a run, it has no {CONFIG_FILE}; name one that "
                "`boxseg train` has made."
            )
    return tuple(
        OwnRun(label, folder, _configuration(folder), _result(folder))
        for label, folder in zip(_labels(places), folders, strict=True)
    )


def differences(runs: Sequence[OwnRun]) -> list[tuple[str, tuple[str, ...]]]:
    """Give the keys whose values are not the same in all runs, each with its value in every run."""
    found = differing_keys([run.configuration for run in runs])
    return [(key, tuple(map(_text, values))) for key, values in found.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _labels(places: Sequence[Path]) -> list[str]:
    """Name runs by as many of the last parts of their paths as tell them apart."""
    longest = max(len(place.parts) for place in places)
    for count in range(1, longest + 1):
        labels = ["/".join(place.parts[-count:]) for place in places]
        if len(set(labels)) == len(labels):
            return labels
    return [str(place) for place in places]


def _configuration(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG_FILE
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{file} cannot be read as a configuration; train the run again.")
    return content


def _result(folder: Path) -> RunResult | None:
    file = folder / RESULT_FILE
    if not file.exists():
        return None
    try:
        return load_result(file)
    except RefusedResult as refusal:
        raise InputError(f"{file}: {refusal}; evaluate or train the run again.") from None
