"""Building what a configuration names, with one-sentence errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boxseg.errors import InputError
from experiments.configuration.packages import OWN, Packages
from experiments.configuration.signatures import METHOD, constructor


def build(component: Mapping[str, Any], packages: Packages = OWN, **arguments: Any) -> Any:
    """Build a component of the configuration, with its own errors and not Hydra's.

    Args:
        component: `_target_` and its arguments, components among them.
        packages: that it may name parts of.
        **arguments: instead of, or beside, those of the component.

    Raises:
        InputError: it cannot be built, or names code outside the packages.
    """
    from hydra.utils import instantiate

    _refuse_foreign_targets(component, packages)
    try:
        return instantiate(component, **arguments)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, InputError):
            raise cause from None
        raise InputError(
            f"component {component.get('_target_')} cannot be built from the configuration: "
            f"{cause}."
        ) from error


def _refuse_foreign_targets(node: Any, packages: Packages) -> None:
    if isinstance(node, Mapping):
        if "_target_" in node:
            target = node["_target_"]
            constructor(str(node.get("path") if target == METHOD else target), packages)
        for child in node.values():
            _refuse_foreign_targets(child, packages)
    elif isinstance(node, list | tuple):
        for child in node:
            _refuse_foreign_targets(child, packages)
