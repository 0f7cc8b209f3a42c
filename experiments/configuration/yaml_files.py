"""The YAML files that configurations are composed from, looked at one by one."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from boxseg.errors import InputError
from experiments.configuration.choices import GROUPS, folders
from experiments.configuration.packages import OWN, Packages
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.schema import Component, fields_by_key
from experiments.configuration.signatures import HYDRA_KEYS, METHOD, did_you_mean, parameters


def configuration_files() -> dict[Path, Any]:
    """Content of every file that configurations are composed from, those of others among them.

    Raises:
        InputError: a file is no YAML.
    """
    found = {}
    own, *_ = places = folders()
    groups = [place / group for place in places for group in GROUPS]
    for file in [own / "config.yaml", *(f for one in groups for f in sorted(one.glob("*.yaml")))]:
        try:
            found[file] = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{file} cannot be read as YAML ({reason}); mend it.") from None
    return found


def unknown_keys(file: Path, content: Any, packages: Packages = OWN) -> Iterator[str]:
    """A clause per key of a file that nothing can be given by.

    Keys are compared with the schema, in the package that the file's `# @package` or its folder
    names, and, in mappings with a `_target_`, with the arguments of what it names. Mappings that
    another file completes are left to the composed configuration.
    """
    first_line = file.read_text(encoding="utf-8").partition("\n")[0]
    named = re.match(r"#\s*@package\s+(\S+)", first_line)
    package = file.parent.name if named is None else named[1]
    model: Any = RunConfiguration
    if package != "_global_" and file.parent.name in GROUPS:
        for part in package.split("."):
            known = fields_by_key(model).get(part) if model is not None else None
            model = None if known is None else _if_given(known.annotation)
        of_component = model in (None, Component) and isinstance(content, dict)
        if of_component and not content.keys() & {"_target_", "defaults"}:
            yield (
                f"{file}: its keys ({', '.join(map(repr, content))}) belong to nothing, as it has "
                "neither _target_ nor defaults"
            )
            return
    for place, allowed in _unknown(content, model, "", packages):
        key = place.rpartition(".")[2]
        hint = f"{did_you_mean(key, allowed)} (allowed: {', '.join(allowed)})"
        yield f"{file}: unknown key '{key}' at {place}{hint}"


def _unknown(
    node: Any, annotation: Any, place: str, packages: Packages
) -> Iterator[tuple[str, list[str]]]:
    """Places of unknown keys below a node, and the keys allowed there."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from _unknown(child, None, f"{place}[{index}]", packages)
    if not isinstance(node, dict):
        return
    model, of_values = _meant(annotation)
    allowed = sorted(HYDRA_KEYS)
    if model is not None:
        allowed = list(fields_by_key(model)) + ([] if place else ["defaults"])
    elif "_target_" in node:
        try:
            method = node["_target_"] == METHOD
            allowed += ["path"] if method else parameters(str(node["_target_"]), packages)
        except InputError:
            return  # told of where the composed configuration is bound
    for name, child in node.items():
        here = f"{place}.{name}" if place else str(name)
        checked = model is not None or "_target_" in node or str(name).startswith("_")
        if checked and name not in allowed:
            yield here, allowed
        elif model is not None and name in fields_by_key(model):
            yield from _unknown(child, fields_by_key(model)[name].annotation, here, packages)
        elif name != "defaults":
            yield from _unknown(child, of_values, here, packages)


def _meant(annotation: Any) -> tuple[type[BaseModel] | None, Any]:
    """The schema of a mapping, or of the values of a mapping with free keys."""
    annotation = _if_given(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    if get_origin(annotation) is dict:
        return None, get_args(annotation)[1]
    return None, None


def _if_given(annotation: Any) -> Any:
    """An annotation without the None that it may allow."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    optional = isinstance(annotation, types.UnionType) and len(parts) == 1
    return parts[0] if optional else annotation


def unknown_names(files: dict[Path, Any], tables: Collection[str]) -> Iterator[str]:
    """A sentence per name that a scale gives something for, and nothing has.

    Names are free, but they belong together: data of the tables, their stand-ins, kinds of data,
    and backbones, which every scale has the same of.

    Args:
        files: see `configuration_files`.
        tables: names of the data that tables are of.
    """
    scales = {file: content["scale"] for file, content in files.items() if _of("scale", file)}
    datasets = [content["dataset"] for file, content in files.items() if _of("dataset", file)]
    names = {file.stem for file in files if _of("dataset", file)}
    kinds = {dataset["kind"] for dataset in datasets if "kind" in dataset}
    whole = {file: scale for file, scale in scales.items() if "backbones" in scale}
    backbones = {name for scale in whole.values() for name in scale["backbones"]}
    for file, scale in scales.items():
        for group, known in (
            ("datasets", set(tables)),
            ("roots", names),
            ("recipes", names),
            ("images", kinds),
            ("initial_weights", set(scale.get("backbones", backbones))),
        ):
            for name in scale.get(group, {}):
                if name not in known:
                    yield (
                        f"{file}: unknown key '{name}' at scale.{group} "
                        f"(allowed: {', '.join(sorted(known))})"
                    )
    for file, scale in whole.items():  # the others have those of the scale that they are made of
        for name in sorted(backbones - scale["backbones"].keys()):
            here = ", ".join(f"'{one}'" for one in scale["backbones"])
            yield f"{file}: scale.backbones has no '{name}', which other scales have; it has {here}"


def _of(group: str, file: Path) -> bool:
    return file.parent.name == group


def near_keys(files: dict[Path, Any], place: str) -> str:
    """A hint at the keys that may be meant where one is missing, each with its files.

    Args:
        place: of what is missing, its keys parted by dots.
    """
    known = {key for content in files.values() for key in _keys(content)}
    *_, last = keys = place.split(".")
    missing = next((key for key in keys if key not in known), last)
    near = difflib.get_close_matches(missing, sorted(known - {missing}), n=2)
    places = (f"'{key}' in {', '.join(map(str, files_with_key(files, key)))}" for key in near)
    return f", perhaps misspelt as {' or '.join(places)}" if near else ""


def files_with_key(files: dict[Path, Any], key: str) -> list[Path]:
    """The files that have a key, at whatever depth."""
    return [file for file, content in files.items() if key in _keys(content)]


def _keys(node: Any) -> Iterator[str]:
    return (key for key, _ in _items(node))


def places_of(files: dict[Path, Any], key: str, value: Any) -> str:
    """The few files that may have given a key a value, to stand before a sentence; or nothing."""
    found = [
        file
        for file, content in files.items()
        if content == value or (key, value) in _items(content)
    ]
    found = found or files_with_key(files, key)
    return f"{', '.join(map(str, found))}: " if 0 < len(found) <= 4 else ""


def _items(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at whatever depth."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield str(key), child
            yield from _items(child)
    elif isinstance(node, list):
        for child in node:
            yield from _items(child)
