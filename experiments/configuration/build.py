"""Building what a configuration names, with one-sentence errors."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from boxseg.errors import InputError
from experiments.configuration.signatures import METHOD, constructor


def build(node: DictConfig, **arguments: Any) -> Any:
    """Build a component of the configuration, with its own errors and not Hydra's.

    Raises:
        InputError: it cannot be built, or names code outside this suite and the packages that the
            user has named: a configuration beside a checkpoint must not run what it likes.
    """
    _refuse_foreign_targets(node)
    try:
        return instantiate(node, **arguments)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, InputError):
            raise cause from None
        raise InputError(
            f"component {node.get('_target_')} cannot be built from the configuration: {cause}."
        ) from error


def _refuse_foreign_targets(node: Any) -> None:
    if isinstance(node, ListConfig):
        for child in node:
            _refuse_foreign_targets(child)
    if not isinstance(node, DictConfig):
        return
    if "_target_" in node:
        constructor(str(node.path if node["_target_"] == METHOD else node["_target_"]))
    for name in node:
        _refuse_foreign_targets(node[name])
