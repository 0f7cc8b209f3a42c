"""Building what a configuration names: only parts of this suite, with one-sentence errors."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from boxseg.errors import InputError
from experiments.configuration.signatures import OWN_PACKAGES


def build(node: DictConfig, **arguments: Any) -> Any:
    """Build a component of the configuration, with its own errors and not Hydra's.

    Raises:
        InputError: it cannot be built, or names code outside this suite: a configuration beside a
            foreign checkpoint must not run what it likes.
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


def _refuse_foreign_targets(node: DictConfig) -> None:
    target = node.get("_target_")
    named = node.get("path") if target == "hydra.utils.get_method" else target
    if named is not None and not str(named).startswith(OWN_PACKAGES):
        raise InputError(
            f"the configuration names {named}, which is no part of this suite; only components of "
            f"{' and '.join(package.rstrip('.') for package in OWN_PACKAGES)} are built."
        )
    for name in node:
        if isinstance(node[name], DictConfig):
            _refuse_foreign_targets(node[name])
