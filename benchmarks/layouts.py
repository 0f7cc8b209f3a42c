"""Where a checkout keeps what a benchmark calls: an adapter for each plan of the house."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Layout:
    """What a benchmark calls of a checkout that is first on the path of this process.

    Attributes:
        compose: from words of the command line to a configuration.
        build: from a component of it, and arguments, to what it names.
        load_data: from a configuration to the dataset and its training records.
        prepare_device: what a run of this seed does to PyTorch before anything is built.
    """

    compose: Callable[[Sequence[str]], Any]
    build: Callable[..., Any]
    load_data: Callable[[Any], Any]
    prepare_device: Callable[[int, torch.device], None]


def in_rooms(prepare_device: Callable[[int, torch.device], None]) -> Layout:
    """By the rooms of docs/architecture.md."""
    from experiments.configuration.build import build
    from experiments.configuration.compose import compose
    from experiments.run.data import load_data

    return Layout(compose, build, load_data, prepare_device)


def today() -> Layout:
    """As this tree is."""
    from boxseg.engine.determinism import choose_algorithms, is_deterministic, seed_generators
    from boxseg.engine.freed_memory import keep_freed_memory

    def prepare_device(seed: int, device: torch.device) -> None:
        torch.set_flush_denormal(True)  # a run's block of `denormal_numbers_as_zero` lasts as long
        keep_freed_memory()
        seed_generators(seed)
        choose_algorithms(is_deterministic("auto", device))

    return in_rooms(prepare_device)


def always_deterministic(seed: int, device: torch.device) -> None:
    """What runs did before algorithms were a choice of theirs."""
    import_module("boxseg.engine.determinism").make_deterministic(seed)


def flat() -> Layout:
    """As at d5e5344.

    Masks of its mini scale had cells of 4 pixels, a quarter as many as since version 2: it is timed
    with as many as this tree.
    """
    compose = import_module("experiments.compose").compose

    def with_as_many_cells(words: Sequence[str]) -> Any:
        mini = ["scale.segmenter.mask_stride=2"] if "scale=mini" in words else []
        return compose([*words, *mini])

    return Layout(
        with_as_many_cells,
        import_module("experiments.components").build,
        import_module("experiments.run_data").load_data,
        always_deterministic,
    )


LAYOUTS = {
    "boxseg/engine/freed_memory.py": today,
    "experiments/configuration/compose.py": lambda: in_rooms(always_deterministic),
    "experiments/compose.py": flat,
}
"""By a file that checkouts of this layout have; the first that fits is taken."""


def layout_of(checkout: Path) -> Layout:
    """The layout that a checkout has.

    Raises:
        LookupError: none that is known.
    """
    for file, layout in LAYOUTS.items():
        if (checkout / file).is_file():
            return layout()
    raise LookupError(f"{checkout} has no layout that benchmarks/layouts.py knows; add it there")
