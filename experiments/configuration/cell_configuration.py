"""The configuration that the runs of a cell share, composed once for all of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.configuration.compose import (
    as_yaml,
    compose,
    config_sha256,
    identity,
    quoted,
    resolved,
    sha256_of,
    unresolved,
)
from experiments.configuration.extensions import Extensions, in_use

# Stand for a run's own seed and folder, which are put in their place: text found nowhere else.
SEED = 4_123_456_789
RUN_DIR = "the-folder-of-one-run"


class CellConfig:
    """What `compose` gives for the runs of a cell, which differ in their seed and folder only.

    Composing takes a tenth of a second, so a thousand runs share one composition. That is sound
    where the seed stands in the configuration as it is; should a key be computed from it, every
    run is composed by itself.

    Args:
        words: of the cell's runs, without `seed=` and `run_dir=`.

    Raises:
        InputError: as `compose`.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        config = unresolved([*words, f"seed={SEED}", f"run_dir={RUN_DIR}"])
        references = OmegaConf.to_container(config, resolve=False)
        assert isinstance(references, dict)
        del references["seed"], references["run_dir"]
        self.shared = all(map(_independent_or_equal, _texts(references)))
        self.config: DictConfig = resolved(config)

    @functools.cached_property
    def _identity(self) -> str:
        return identity(self.config)

    @functools.cached_property
    def _yaml(self) -> str:
        return as_yaml(self.config)

    def of_run(self, seed: int, run_dir: Path) -> DictConfig:
        """The resolved configuration of the run with this seed in this folder, composed anew."""
        return compose([*self.words, f"seed={seed}", f"run_dir={quoted(run_dir)}"])

    def sha256(self, seed: int, run_dir: Path) -> str:
        """The `config_sha256` of that configuration."""
        if not self.shared:
            return config_sha256(self.of_run(seed, run_dir))
        return sha256_of(self._identity.replace(str(SEED), str(seed)))

    def yaml(self, seed: int, run_dir: Path) -> str:
        """That configuration as YAML (see `as_yaml`)."""
        if not self.shared:
            return as_yaml(self.of_run(seed, run_dir))
        text = self._yaml.replace(str(SEED), str(seed))
        own_line = OmegaConf.to_yaml({"run_dir": str(run_dir)})
        return text.replace(f"run_dir: {RUN_DIR}\n", own_line)


def cell_config(words: tuple[str, ...]) -> CellConfig:
    """The configuration of the cell that has these words; composed at the first call."""
    return _cell_config(in_use(), words)


@functools.cache
def _cell_config(_: Extensions, words: tuple[str, ...]) -> CellConfig:
    return CellConfig(words)


def scale_of(name: str) -> DictConfig:
    """The scale's own part of a configuration; references in it are left as they are."""
    return _scale_of(in_use(), name)


@functools.cache
def _scale_of(_: Extensions, name: str) -> DictConfig:
    scale: DictConfig = unresolved([f"scale={name}"]).scale
    return scale


def _independent_or_equal(text: str) -> bool:
    """Whether a value does not refer to a run's seed or folder, or is the seed itself."""
    if str(SEED) in text or RUN_DIR in text:
        return False
    refers = "${" in text and ("seed" in text or "run_dir" in text)
    return not refers or text == "${seed}"


def _texts(node: Any) -> Iterator[str]:
    """Every value in a configuration, as text."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    else:
        yield str(node)
