"""From the words of a command line to one configuration, with Hydra."""

from __future__ import annotations

import copy
import difflib
import functools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from boxseg.errors import InputError
from experiments.configuration.choices import GROUPS, PARTS, choices, folders, refuse_unknown
from experiments.configuration.combinations import (
    completed,
    replaced,
    without_a_place,
    without_empty_losses,
)
from experiments.configuration.composition import Composition, NotComposedError, own_errors
from experiments.configuration.extensions import Extensions, in_use
from experiments.configuration.packages import Packages
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.scaling import register_resolvers
from experiments.configuration.schema import fields_by_key
from experiments.configuration.signatures import is_parameter
from experiments.configuration.values import fault_of_content, fault_of_word
from experiments.configuration.yaml_files import (
    configuration_files,
    near_keys,
    places_of,
    unknown_keys,
)

register_resolvers()


def compose(words: Sequence[str]) -> RunConfiguration:
    """Compose the configuration of one run.

    Args:
        words: KEY=VALUE; those of `experiments.configuration.choices.GROUPS` choose files, any
            other key must exist, or be one that a component's constructor takes.

    Raises:
        InputError: a word is no KEY=VALUE, names an unknown key or choice, or gives a key a value
            that it cannot have; or a YAML file does so, which is then named.
    """
    packages = in_use().packages
    try:
        config = unresolved(words)
        return RunConfiguration.of(Composition(config), packages, config.seed, config.run_dir)
    except NotComposedError as error:
        raise InputError(_explained(str(error), packages)) from None
    except ValidationError as error:
        key, value, clause = fault_of_content(error)
        raise InputError(f"{places_of(configuration_files(), key, value)}{clause}.") from None


def composed(words: tuple[str, ...]) -> RunConfiguration:
    """What `compose` gives; composed at the first call, for all runs of a cell."""
    return _composed(in_use(), words)


@functools.cache
def _composed(_: Extensions, words: tuple[str, ...]) -> RunConfiguration:
    return compose(words)


def scales_of_tables() -> list[str]:
    """The scales that tables are run at."""
    return [name for name in choices("scale") if _of_tables(in_use(), name)]


def refuse_no_scale_of_tables(name: str) -> None:
    """Raise `InputError` unless tables are run at this scale."""
    if not _of_tables(in_use(), name):
        raise InputError(
            f"no table is run at scale {name}, which is for `boxseg train scale={name}` on data of "
            f"one's own; choose one of {', '.join(scales_of_tables())}."
        )


def datasets_of_scale(name: str) -> dict[str, str]:
    """Which data stand for the paper's at a scale.

    Raises:
        InputError: no table is run at it.
    """
    refuse_no_scale_of_tables(name)
    return _datasets_of_scale(in_use(), name)


@functools.cache
def _datasets_of_scale(_: Extensions, name: str) -> dict[str, str]:
    datasets = OmegaConf.to_container(unresolved([f"scale={name}"]).scale.datasets)
    assert isinstance(datasets, dict)
    return {str(key): str(value) for key, value in datasets.items()}


@functools.cache
def _of_tables(_: Extensions, name: str) -> bool:
    refuse_unknown("scale", name)
    return bool(_of_files((f"scale={name}",)).scale.get("of_tables", True))


def unresolved(words: Sequence[str]) -> DictConfig:
    """What `compose` composes, its references not yet replaced by what they refer to."""
    chosen, values = {}, []
    packages = in_use().packages
    for word in words:
        key, value = _parsed(word)
        if key in GROUPS:
            refuse_unknown(key, value)
            chosen[key] = value
        else:
            values.append((word, key, value))
    with own_errors():
        files = completed(chosen, _of_files)
        plain = _of_files(files)
        config = copy.deepcopy(plain)
        for word, key, value in values:
            if not _has(plain, key) and not is_parameter(plain, key, packages):
                raise InputError(f"unknown key {key!r} in {word!r}; {_hint(key, _keys(plain))}.")
            if fault := fault_of_word(key, value, word):
                raise InputError(f"{fault}.")
            _set(config, key, value)
        _refuse_absent(config, "schedule", config.schedules)
        _refuse_absent(config, "backbone", config.scale.backbones)
        _refuse_other_data(config)
        config.replaced = replaced(plain)
        for part in without_a_place(plain):
            del config.parts[part]
        without_empty_losses(config)
    return config


def _explained(error: str, packages: Packages) -> str:
    """Why nothing can be composed: a misspelt key of a file, if there is one."""
    files = configuration_files()
    for file, content in files.items():
        for fault in unknown_keys(file, content, packages):
            return f"{fault}."
    missing = re.search(r"(?:Interpolation|Missing) key '?([\w.]+)", error)
    return f"{error.rstrip('.')}{near_keys(files, missing[1]) if missing else ''}."


def _refuse_absent(config: DictConfig, key: str, known: DictConfig) -> None:
    if config[key] not in known:
        names = ", ".join(map(str, known))
        raise InputError(f"'{key}={config[key]}': there is no such {key}; choose one of {names}.")


def _refuse_other_data(config: DictConfig) -> None:
    """Refuse data of a kind that the scale has no sizes for."""
    images, kind = OmegaConf.select(config, "scale.images"), config.dataset.kind
    if isinstance(images, DictConfig) and kind not in images:
        kinds, dataset = list(map(str, images)), config.dataset.name
        raise InputError(
            f"scale={config.scale.name} is for {' and '.join(kinds)}, and dataset={dataset} is of "
            f"{kind}; choose such data (of one's own: dataset=coco-folder root=DIR), or another "
            "scale, such as mini."
        )


USUAL_NAMES = {
    "base_lr": "learning_rate",
    "batch": "batch_size",
    "bs": "batch_size",
    "epochs": "iterations",
    "gpu": "device",
    "gpus": "device",
    "lr": "learning_rate",
    "max_iter": "iterations",
    "num_workers": "workers",
    "steps": "iterations",
}
"""What people look for a key by, and what its last part is called here."""


def _hint(key: str, known: Sequence[str]) -> str:
    last = key.rsplit(".", 1)[-1]
    name = USUAL_NAMES.get(last.lower(), last)
    own = [one for one in known if one.rsplit(".", 1)[-1] == name]
    # Those of the scale are what others refer to; `solver`'s are of the run.
    own.sort(key=lambda one: (one.startswith("scale"), one.count(".")))
    if own and name != key:
        return f"did you mean {own[0]}"
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}" if near else "see `boxseg train --show-config`"


def quoted(place: Path | str) -> str:
    """A path as a value on the command line, whatever characters it has."""
    return "'" + str(place).replace("'", "\\'") + "'"


def in_shell(word: str) -> str:
    """A word as it is typed, in double quotes where it has single ones and a shell lets it."""
    return shlex.quote(word) if re.search(r"[\"$`\\!]", word) else f'"{word}"'


def _of_files(chosen: tuple[str, ...]) -> DictConfig:
    """What Hydra composes of the chosen files, not resolved, and the names of all as `parts`."""
    return _of_files_in(folders(), chosen)


@functools.cache
def _of_files_in(places: tuple[Path, ...], chosen: tuple[str, ...]) -> DictConfig:
    """See `_of_files`; it is slow, and always the same."""
    GlobalHydra.instance().clear()
    first, *others = places
    further = ",".join(quoted(f"file://{place}") for place in others)
    with initialize_config_dir(str(first), version_base="1.3"):
        config = hydra_compose(
            "config", [*chosen, f"hydra.searchpath=[{further}]"], return_hydra_config=True
        )
    names = config.hydra.runtime.choices
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    config.parts = {part: str(names[part]) for part in PARTS}
    _without_other_data(config)
    known = fields_by_key(RunConfiguration)
    for key in config:
        if key not in known:
            raise NotComposedError(f"the configuration cannot be composed: unknown key {key!r}.")
    return config


def _without_other_data(config: DictConfig) -> None:
    """Leave out the sizes that are null, which is how a scale takes away what another one has."""
    images = OmegaConf.select(config, "scale.images")
    if isinstance(images, DictConfig):
        for kind in [kind for kind in images if images[kind] is None]:
            del images[kind]


def _parsed(word: str) -> tuple[str, Any]:
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        key, sign, value = word.partition("=")
        if sign and re.fullmatch(r"[\w.]+", key):
            raise InputError(
                f"the value of {key} has signs that need quotes of its own; write "
                f"{in_shell(f'{key}={quoted(value)}')}."
            ) from None
        raise InputError(
            f"{word!r} is not of the form KEY=VALUE; write for example seed=1."
        ) from None
    if override.is_delete() or override.is_add() or override.is_force_add():
        raise InputError(
            f"{word!r} adds or deletes a key; only existing keys can be set, as KEY=VALUE."
        )
    return override.key_or_group, override.value()


def _set(config: DictConfig, key: str, value: Any) -> None:
    """Set a key, also below a node that refers to another: it then has a copy of its own."""
    parents = key.split(".")[:-1]
    for length in range(1, len(parents) + 1):
        path = ".".join(parents[:length])
        parent = OmegaConf.select(config, ".".join(parents[: length - 1])) if length > 1 else config
        if OmegaConf.is_interpolation(parent, parents[length - 1]):
            OmegaConf.update(config, path, OmegaConf.select(config, path).copy(), merge=False)
    OmegaConf.update(config, key, value, merge=False)


def _has(node: DictConfig, key: str) -> bool:
    """Whether `_keys` has a key, found without listing the others, which is slow."""
    name, _, rest = key.partition(".")
    if name not in map(str, node):
        return False
    child = _child(node, name) if rest else None
    return not rest or (child is not None and _has(child, rest))


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    """Every key; finding them resolves what refers to mappings."""
    keys = []
    for name in map(str, node):
        keys.append(f"{prefix}{name}")
        child = _child(node, name)
        if child is not None:
            keys += _keys(child, f"{prefix}{name}.")
    return keys


def _child(node: DictConfig, name: str) -> DictConfig | None:
    try:
        child = node[name]
    except OmegaConfBaseException:
        return None
    return child if isinstance(child, DictConfig) else None
