"""Where a checkout keeps what a benchmark calls: an adapter for each plan of the house."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layout:
    """What a benchmark calls of a checkout that is first on the path of this process.

    Attributes:
        compose: from words of the command line to a configuration.
        build: from a component of it, and arguments, to what it names.
        load_data: from a configuration to the dataset and its training records.
    """

    compose: Callable[[Sequence[str]], Any]
    build: Callable[..., Any]
    load_data: Callable[[Any], Any]


COMPOSE, BUILD, LOAD_DATA = "compose", "build", "load_data"
LAYOUTS = (
    # By the rooms of docs/architecture.md.
    {
        COMPOSE: "experiments.configuration.compose",
        BUILD: "experiments.configuration.build",
        LOAD_DATA: "experiments.run.data",
    },
    # Flat, as at d5e5344.
    {
        COMPOSE: "experiments.compose",
        BUILD: "experiments.components",
        LOAD_DATA: "experiments.run_data",
    },
)


def layout_of(checkout: Path) -> Layout:
    """The layout that a checkout has.

    Raises:
        LookupError: none that is known.
    """
    for modules in LAYOUTS:
        files = [checkout / f"{module.replace('.', '/')}.py" for module in modules.values()]
        if all(file.is_file() for file in files):
            return Layout(**{name: getattr(import_module(m), name) for name, m in modules.items()})
    raise LookupError(f"{checkout} has no layout that benchmarks/layouts.py knows; add it there")
