"""From the words of a command line to one fully resolved configuration, with Hydra."""

from __future__ import annotations

import copy
import difflib
import functools
import hashlib
import json
from collections.abc import Sequence
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

FOLDER = Path(__file__).resolve().parent
GROUPS = {
    "method": "methods",
    "dataset": "datasets",
    "scale": "scales",
    "pseudo_labels": "pseudo_labels",
    "copy_paste": "copy_paste",
}
"""Words of the command line that choose a file, and the folder it is in."""

PAPER_ITERATIONS_1X = 90_000

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
}
"""Keys whose values are whole numbers, and their range; `threads` may also be null."""


def _iterations(paper_iterations: int, *, _root_: DictConfig) -> int:
    """The papers' iterations in this scale's, rounded down, at least one."""
    one_x = _root_.images.iterations_1x
    return max(1, int(paper_iterations * one_x // PAPER_ITERATIONS_1X))


def _momentum(paper_iterations: int, *, _root_: DictConfig) -> float:
    """Momentum of a moving average whose memory is so many of the papers' iterations."""
    one_x = _root_.images.iterations_1x
    return 1 - 1 / max(1.0, paper_iterations * one_x / PAPER_ITERATIONS_1X)


def _pixels(coco_pixels: float, *, _root_: DictConfig) -> float:
    """A length in COCO's pixels in this scale's."""
    return float(coco_pixels * _root_.images.pixel_factor)


def _area(coco_pixels: float, *, _root_: DictConfig) -> float:
    """An area in COCO's pixels in this scale's."""
    return float(coco_pixels * _root_.images.pixel_factor**2)


for _name, _resolver in (
    ("iterations", _iterations),
    ("momentum", _momentum),
    ("pixels", _pixels),
    ("area", _area),
    ("length", len),
):
    OmegaConf.register_new_resolver(_name, _resolver, replace=True)


def choices(group: str) -> list[str]:
    """Names of the files one can choose for `method`, `dataset` or `scale`."""
    return sorted(file.stem for file in (FOLDER / GROUPS[group]).glob("*.yaml"))


def refuse_unknown(group: str, name: str) -> None:
    """Raise `InputError` unless `name` is one of the choices for `group`."""
    if name not in choices(group):
        raise InputError(
            f"there is no {group} {name!r}; choose one of {', '.join(choices(group))}."
        )


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose and resolve the configuration of one run.

    Args:
        overrides: KEY=VALUE words; `method=`, `dataset=` and `scale=` choose files, any other key
            must exist.

    Raises:
        InputError: a word is no KEY=VALUE, names an unknown key or choice, or has a value of
            another type than the key's.
    """
    chosen, values = [], []
    for word in overrides:
        key, value = _parsed(word)
        if key in GROUPS:
            refuse_unknown(key, value)
            chosen.append(f"{GROUPS[key]}={value}")
        else:
            values.append((word, key, value))
    try:
        plain = _of_files(tuple(chosen))
        config = copy.deepcopy(plain)
        known = _keys(plain) if values else []
        for word, key, value in values:
            _refuse_unknown_key(plain, known, key, value, word)
            _set(config, key, value)
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        for group in ("pseudo_labels", "copy_paste"):
            if group in reason and "defaults list" in reason:
                raise InputError(
                    f"{group} cannot be set for this method, which has none; choose a method with "
                    "a teacher, such as boxteacher or boxseg."
                ) from None
        raise InputError(f"the configuration cannot be composed: {reason}.") from None
    _refuse_numbers_out_of_range(config)
    if config.run_dir is None:
        config.run_dir = str(
            Path("runs", config.scale.name, "train", f"{config.method}-{config.dataset.name}")
            / config.schedule
            / f"seed{config.seed}"
        )
    return config


@functools.cache
def _of_files(chosen: tuple[str, ...]) -> DictConfig:
    """What Hydra composes of the chosen files, not resolved; it is slow, and always the same."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(FOLDER), version_base="1.3"):
        config = hydra_compose("config", list(chosen))
    OmegaConf.set_struct(config, False)
    return config


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
    if key not in known:
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
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    identity = {str(key): value for key, value in content.items() if key not in NOT_IDENTITY}
    identity["scale"] = {"name": config.scale.name, "version": config.scale.version}
    if config.dataset.source.get("root") == config.data_dir:
        del identity["dataset"]["source"]["root"]  # where generated data are kept
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def as_yaml(config: DictConfig) -> str:
    """The resolved configuration as YAML."""
    return OmegaConf.to_yaml(config, resolve=True)
