"""Single runs, of no table: what each left in its folder, and how their configurations differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from boxseg.errors import InputError
from reports.result_file import RESULT_FILE, RefusedResult, RunResult, load_result

CONFIG_FILE = "config.yaml"

ABSENT: Final = "-"
"""Stands for a key that a configuration does not have."""

TARGET = "_target_"

UNTOLD = ("run_dir", "deviations", "schedules")
"""Where a run lies, what is told in words elsewhere, and schedules that are not the chosen one."""

Values = tuple[Any, ...]
"""Of a key, a value for each configuration."""


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


# A configuration repeats itself: the losses stand in `losses`, in the `segmenter` that has them,
# and in the `model` that has that one. So of differences that have the same values under the same
# last name, the one with the shortest key is told. And where another file was chosen for a part
# (`pseudo_labels=qam` instead of `bpma`), that choice is told, and not all that comes with it.
def differing_keys(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Keys whose values are not all equal, in the order of the files.

    Args:
        configurations: of runs, in plain containers.

    Returns:
        Per key, each configuration's value. A component is told by the name of its class where
        these differ, and by its arguments where they do not.
    """
    found = {
        key: values
        for key, values in _differing_places((), configurations)
        if key[0] not in UNTOLD and (key[0] != "scale" or key[1] in ("name", "version"))
    }
    chosen = {key[1] for key in found if key[0] == "parts"}
    shortest: dict[str, tuple[str, ...]] = {}
    for key, values in found.items():
        known = shortest.setdefault(_alike(key, values), key)
        if len(key) < len(known):
            shortest[_alike(key, values)] = key
    told = [key for key in shortest.values() if key[0] not in chosen]
    names = {key: key[1:] if key[0] == "parts" else key for key in told}
    ordered = sorted(told, key=list(found).index)
    of_words = [key for key in ordered if len(key) == 1 or key[0] == "parts"]
    others = [key for key in ordered if key not in of_words]
    return {".".join(names[key]): tuple(map(_told, found[key])) for key in (*of_words, *others)}


def _differing_places(
    place: tuple[str, ...], nodes: Sequence[Any]
) -> Iterator[tuple[tuple[str, ...], Values]]:
    """Places in which nodes differ, and what each has there."""
    if all(node == nodes[0] for node in nodes):
        return
    mappings = [node for node in nodes if isinstance(node, Mapping)]
    whole = [node for node in nodes if node not in (ABSENT, None)]
    of_one_class = len({str(node.get(TARGET)) for node in mappings}) == 1
    if mappings and len(mappings) == len(nodes) == len(whole) and of_one_class:
        for key in dict.fromkeys(key for node in mappings for key in node):
            yield from _differing_places(
                (*place, str(key)), [node.get(key, ABSENT) for node in nodes]
            )
        return
    yield place, tuple(nodes)


def _alike(key: tuple[str, ...], values: Values) -> str:
    """What differences have in common that are one."""
    components = any(isinstance(value, Mapping) for value in values)
    return json.dumps([None if components else key[-1], values], sort_keys=True)


def _told(value: Any) -> Any:
    """A value as a person wants to read it."""
    if isinstance(value, Mapping):
        name = str(value.get(TARGET, ", ".join(map(str, value)))).rpartition(".")[2]
        return name or ABSENT
    return ABSENT if value is None else value
