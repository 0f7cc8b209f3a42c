"""Binding what configurations give components to their constructors, building nothing."""

from __future__ import annotations

import difflib
import functools
import inspect
import itertools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from boxseg.errors import InputError
from experiments.configuration.packages import OWN, Packages
from experiments.configuration.signatures import HYDRA_KEYS, METHOD, constructor, did_you_mean

GIVEN_BY_CALLER = {"mapper": "reader", "dataset.source": "root"}
"""Arguments that no configuration holds, or whose value is replaced, by the component's place."""


def bind_all(
    node: Any, packages: Packages = OWN, place: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Bind every component below a node of a configuration, in plain containers.

    Args:
        node: without references.
        packages: that components may be parts of.
        place: of the node in the configuration.

    Yields:
        Per fault, the argument or key that is wrong, its value, and a clause on it.
    """
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from bind_all(child, packages, f"{place}[{index}]")
    if not isinstance(node, dict):
        return
    for key, child in node.items():
        if str(key).startswith("_") and key not in HYDRA_KEYS:
            known = ", ".join(sorted(HYDRA_KEYS))
            yield (
                str(key),
                child,
                f"unknown key '{key}' at {place or 'the top level'} (allowed: {known})",
            )
        yield from bind_all(child, packages, f"{place}.{key}" if place else str(key))
    if "_target_" in node:
        yield from bind(node, place, packages)
    elif place:
        yield from _near_twins(node, place)


def _near_twins(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any, str]]:
    """Components of nearly one name, side by side: one was to take the place of the other."""
    components = [name for name, value in node.items() if _is_component(value)]
    for first, second in itertools.combinations(components, 2):
        if difflib.SequenceMatcher(None, first, second).ratio() > 0.8:
            yield (
                second,
                node[second],
                f"'{first}' and '{second}' at {place} may be one name, misspelt",
            )


def _is_component(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def bind(
    node: Mapping[str, Any], place: str, packages: Packages = OWN
) -> Iterator[tuple[str, Any, str]]:
    """Bind one component's own arguments; see `bind_all`."""
    target = str(node["_target_"])
    arguments = {key: value for key, value in node.items() if not str(key).startswith("_")}
    if target == METHOD:
        for key in arguments.keys() - {"path"}:
            yield key, arguments[key], f"unknown key '{key}' at {place} (allowed: path)"
        if "path" not in arguments:
            yield "path", None, f"argument 'path' of {METHOD} is missing at {place}"
            return
    try:
        function = constructor(str(arguments["path"]) if target == METHOD else target, packages)
    except InputError as error:
        named = "path" if target == METHOD else "_target_"
        yield named, node[named], f"{place}: {str(error).rstrip('.')}"
        return
    if target == METHOD:
        return
    parameters = inspect.signature(function).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    given = {GIVEN_BY_CALLER.get(place)}
    if node.get("_partial_"):
        given.add(next(iter(parameters), None))
    hints = _hints(function)
    for key, value in arguments.items():
        if key not in parameters:
            if not takes_any:
                hint = f"{did_you_mean(key, parameters)} (allowed: {', '.join(parameters)})"
                yield key, value, f"unknown argument '{key}' of {target} at {place}{hint}"
        elif key not in given and not fits(value, hints.get(key, Any)):
            wanted = inspect.formatannotation(hints[key])
            yield key, value, f"{place}.{key} is {_shown(value)} where {target} takes {wanted}"
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if needed and name not in arguments and name not in given:
            yield name, None, f"argument '{name}' of {target} is missing at {place}"


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Types of a constructor's arguments; none where more would have to be imported for them."""
    source = function.__init__ if inspect.isclass(function) else function
    try:
        return get_type_hints(source)
    except (NameError, TypeError):
        return {}


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value of a configuration may be what an annotation asks for.

    This is no validation of values, which pydantic would do: a component stands for what it will
    make, a list for any sequence, a text for a path, and only scalars have to be of just the type.
    What cannot be told cheaply is let through: protocols, callables, type variables.
    """
    if annotation is Any:
        return True
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if _is_component(value):
        return _component_fits(value, annotation)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation in (bool, int, float, str):
        accepted = {float: (int, float)}.get(annotation, (annotation,))
        return type(value) in accepted
    if annotation is Path:
        return isinstance(value, str)
    if origin is not None and inspect.isclass(origin):
        if issubclass(origin, Mapping):
            return isinstance(value, dict) and all(fits(v, parts[1]) for v in value.values())
        if issubclass(origin, Sequence):
            return isinstance(value, list) and _items_fit(value, origin, parts)
    if not inspect.isclass(annotation):
        return True
    return value is not None if _is_protocol(annotation) else isinstance(value, annotation)


def _is_protocol(annotation: type) -> bool:
    return bool(getattr(annotation, "_is_protocol", False))


def _items_fit(values: list[Any], origin: type, parts: tuple[Any, ...]) -> bool:
    if origin is tuple and parts[-1:] != (Ellipsis,):
        return len(values) == len(parts) and all(map(fits, values, parts))
    return all(fits(value, parts[0]) for value in values)


def _component_fits(node: Mapping[str, Any], annotation: Any) -> bool:
    """Whether a component may stand where an annotation asks for something."""
    target = str(node["_target_"])
    if annotation in (bool, int, float, str, type(None), Path):
        return target == METHOD
    if not inspect.isclass(annotation) or _is_protocol(annotation):
        return True
    if target == METHOD or node.get("_partial_"):
        return True
    try:
        made = constructor(target)
    except InputError:
        return True  # told of where the component itself is bound
    if not inspect.isclass(made):
        made = _hints(made).get("return", Any)
    return not inspect.isclass(made) or issubclass(made, annotation)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("_target_", "a mapping"))
    return repr(value)
