"""From the words of a command line to one fully resolved configuration, with Hydra."""

from __future__ import annotations

import contextlib
import copy
import difflib
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from boxseg.errors import InputError
from experiments.configuration.choices import GROUPS, PARTS, folders, refuse_unknown
from experiments.configuration.combinations import (
    completed,
    own_instead,
    without_a_place,
    without_empty_losses,
)
from experiments.configuration.scaling import deviations, register_resolvers
from experiments.configuration.signatures import is_parameter

NOT_IDENTITY = (
    "scale",
    "schedules",
    "run_dir",
    "data_dir",
    "device",
    "workers",
    "threads",
    "checkpoint_period",
    "log_period",
    "launcher",
    "deviations",
    "parts",
    *PARTS,
)
"""Keys that do not change what a run computes, or only through others that refer to them."""

WHOLE_NUMBERS = {
    "seed": (0, 2**32 - 1),
    "workers": (0, 1024),
    "threads": (1, 1024),
    "images.iterations_1x": (1, 10**9),
    "images.short_sides": (1, 2**15),
    "images.max_side": (1, 2**15),
    "images.test_short_side": (1, 2**15),
    "solver.iterations": (1, 10**9),
    "solver.batch_size": (1, 2**20),
    "solver.accumulate": (1, 2**20),
    "checkpoint_period": (1, 10**9),
    "log_period": (1, 10**9),
    "evaluation_batch_size": (1, 2**20),
    "launcher.nodes": (1, 2**16),
    "launcher.tasks_per_node": (1, 1024),
    "launcher.cpus": (1, 1024),
    "launcher.time": (1, 10**7),
    "launcher.warning": (1, 2**16 - 1),
    "launcher.time_outs": (0, 10**6),
}
"""Keys whose values are whole numbers, and their range; `threads` may also be null."""


register_resolvers()


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose and resolve the configuration of one run.

    Args:
        overrides: KEY=VALUE words; `method=`, `dataset=` and `scale=` choose files, any other key
            must exist, or be one that a component's constructor takes.

    Raises:
        InputError: a word is no KEY=VALUE, names an unknown key or choice, or has a value of
            another type than the key's.
    """
    return resolved(unresolved(overrides))


def resolved(config: DictConfig) -> DictConfig:
    """The same configuration, every reference in it replaced by what it refers to.

    Raises:
        InputError: a reference leads nowhere, or a number is out of its range.
    """
    with _own_errors():
        OmegaConf.resolve(config)
    config.deviations = [*deviations(config), *config.deviations]
    _refuse_numbers_out_of_range(config)
    if config.run_dir is None:
        config.run_dir = str(
            Path("runs", config.scale.name, "train", f"{config.method}-{config.dataset.name}")
            / config.schedule
            / f"seed{config.seed}"
        )
    return config


def unresolved(overrides: Sequence[str]) -> DictConfig:
    """What `compose` composes, its references not yet replaced by what they refer to."""
    chosen, values = {}, []
    for word in overrides:
        key, value = _parsed(word)
        if key in GROUPS:
            refuse_unknown(key, value)
            chosen[key] = value
        else:
            values.append((word, key, value))
    with _own_errors():
        files = completed(chosen, _of_files)
        plain = _of_files(files)
        config = copy.deepcopy(plain)
        known = _keys_of_files(folders(), files) if values else []
        for word, key, value in values:
            _refuse_unknown_key(plain, known, key, value, word)
            _set(config, key, value)
        config.deviations = own_instead(plain)
        for part in without_a_place(plain):
            del config.parts[part]
        without_empty_losses(config)
    return config


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf complain of into one sentence."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"the configuration cannot be composed: {reason}.") from None


def quoted(place: Path | str) -> str:
    """A path as a value on the command line, whatever characters it has."""
    return "'" + str(place).replace("'", "\\'") + "'"


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
    return config


@functools.cache
def _keys_of_files(places: tuple[Path, ...], chosen: tuple[str, ...]) -> list[str]:
    """Every key of what `_of_files` gives; finding them resolves what refers to mappings."""
    return _keys(_of_files_in(places, chosen))


def _refuse_numbers_out_of_range(config: DictConfig) -> None:
    for key, (least, most) in WHOLE_NUMBERS.items():
        value = OmegaConf.select(config, key)
        if key == "threads" and value is None:
            continue
        numbers = list(value) if isinstance(value, ListConfig) else [value]
        if not numbers or not all(type(n) is int and least <= n <= most for n in numbers):
            raise InputError(f"{key} is {value!r}; give a whole number from {least} to {most}.")


def _parsed(word: str) -> tuple[str, Any]:
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        raise InputError(
            f"{word!r} is not of the form KEY=VALUE; write for example seed=1."
        ) from None
    if override.is_delete() or override.is_add() or override.is_force_add():
        raise InputError(
            f"{word!r} adds or deletes a key; only existing keys can be set, as KEY=VALUE."
        )
    return override.key_or_group, override.value()


def _refuse_unknown_key(
    config: DictConfig, known: Sequence[str], key: str, value: Any, word: str
) -> None:
    if key not in known and not is_parameter(config, key):
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `boxseg train --show-config`"
        raise InputError(f"unknown key {key!r} in {word!r}; {hint.rstrip('?')}.")
    try:
        current = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return
    wanted = _kind(current)
    if current is not None and value is not None and wanted != _kind(value):
        raise InputError(f"{word!r} gives {key} a {_kind(value)} where it is a {wanted}.")
    if key == "schedule" and value not in config.schedules:
        raise InputError(
            f"{word!r}: there is no such schedule; choose one of {', '.join(config.schedules)}."
        )
    if key == "backbone" and value not in config.scale.backbones:
        raise InputError(
            f"{word!r}: there is no such backbone; choose one of "
            f"{', '.join(config.scale.backbones)}."
        )


def _set(config: DictConfig, key: str, value: Any) -> None:
    """Set a key, also below a node that refers to another: it then has a copy of its own."""
    parents = key.split(".")[:-1]
    for length in range(1, len(parents) + 1):
        path = ".".join(parents[:length])
        parent = OmegaConf.select(config, ".".join(parents[: length - 1])) if length > 1 else config
        if OmegaConf.is_interpolation(parent, parents[length - 1]):
            OmegaConf.update(config, path, OmegaConf.select(config, path).copy(), merge=False)
    OmegaConf.update(config, key, value, merge=False)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "mapping" if isinstance(value, dict | DictConfig) else "list"


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    keys = []
    for name in map(str, node):
        keys.append(f"{prefix}{name}")
        try:
            child = node[name]
        except OmegaConfBaseException:
            continue
        if isinstance(child, DictConfig):
            keys += _keys(child, f"{prefix}{name}.")
    return keys


def config_sha256(config: DictConfig) -> str:
    """Hash of everything in a configuration that changes what the run computes."""
    return sha256_of(identity(config))


def sha256_of(text: str) -> str:
    """Hash of a configuration's `identity`."""
    return hashlib.sha256(text.encode()).hexdigest()


def identity(config: DictConfig) -> str:
    """Everything in a configuration that changes what the run computes, as JSON."""
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    counts = {str(key): value for key, value in content.items() if key not in NOT_IDENTITY}
    counts["scale"] = {"name": config.scale.name, "version": config.scale.version}
    if config.dataset.source.get("root") == config.data_dir:
        del counts["dataset"]["source"]["root"]  # where generated data are kept
    return json.dumps(counts, sort_keys=True)


def as_yaml(config: DictConfig) -> str:
    """The resolved configuration as YAML."""
    return OmegaConf.to_yaml(config, resolve=True)
