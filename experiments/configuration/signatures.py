"""The constructors that configurations name, and what they can be given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from boxseg.errors import InputError

OWN_PACKAGES = ("boxseg.", "baselines.")
HYDRA_KEYS = frozenset(("_target_", "_partial_", "_recursive_", "_convert_", "_args_"))


def constructor(target: str) -> Callable[..., Any]:
    """The class or function of this suite that a `_target_` names.

    Raises:
        InputError: it names code outside this suite, or nothing that can be called.
    """
    from hydra.utils import get_object

    if not target.startswith(OWN_PACKAGES):
        packages = " and ".join(package.rstrip(".") for package in OWN_PACKAGES)
        raise InputError(
            f"the configuration names {target}, which is no part of this suite; only components of "
            f"{packages} are built."
        )
    try:
        found = get_object(target)
    except Exception as error:  # noqa: BLE001 - importing can raise anything
        reason = str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"the configuration names {target}, which is not there: {reason}."
        ) from None
    if not callable(found):
        raise InputError(f"the configuration names {target}, which is nothing to be called.")
    return found


def parameters(target: str) -> dict[str, inspect.Parameter]:
    """What a constructor can be given, by name.

    Raises:
        InputError: as `constructor`.
    """
    return dict(inspect.signature(constructor(target)).parameters)


def is_parameter(config: DictConfig, key: str) -> bool:
    """Whether a key that a configuration does not have is one its component could be given."""
    place, _, name = key.rpartition(".")
    try:
        component = OmegaConf.select(config, place) if place else None
    except OmegaConfBaseException:
        return False
    if not isinstance(component, DictConfig) or "_target_" not in component:
        return False
    target = component["_target_"]
    if not str(target).startswith(OWN_PACKAGES):
        return False
    found = parameters(str(target)).get(name)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return found is not None and found.kind in named
