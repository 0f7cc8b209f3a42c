"""In which keys configurations differ, each difference told once.

A configuration repeats itself: the losses stand in `losses`, in the `segmenter` that has them, and
in the `model` that has that one. So of differences that have the same values under the same last
name, the one with the shortest key is told. And where another file was chosen for a part
(`pseudo_labels=qam` instead of `bpma`), that choice is told, and not all that comes with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

ABSENT: Final = "-"
"""Stands for a key that a configuration does not have."""

TARGET = "_target_"

UNTOLD = ("run_dir", "deviations", "schedules")
"""Where a run lies, what is told in words elsewhere, and schedules that are not the chosen one."""

Values = tuple[Any, ...]
"""Of a key, a value for each configuration."""


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
        for key, values in _differences((), configurations)
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


def _differences(
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
            yield from _differences((*place, str(key)), [node.get(key, ABSENT) for node in nodes])
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
