"""The constructors that configurations name, and what they can be given."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from boxseg.errors import InputError
from experiments.configuration.packages import OWN, Packages

METHOD = "hydra.utils.get_method"
"""Names a function itself, by its `path`, instead of what it gives when called."""

HYDRA_KEYS = frozenset(("_target_", "_partial_", "_recursive_", "_convert_", "_args_"))


def constructor(target: str, packages: Packages = OWN) -> Callable[..., Any]:
    """The class or function that a `_target_` names.

    Raises:
        InputError: it names code outside the packages, or nothing that can be called.
    """
    from hydra.utils import get_object

    packages.refuse_foreign(target)
    try:
        found = get_object(target)
    except Exception as error:  # noqa: BLE001 - importing can raise anything
        reason = str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"the configuration names {target}, which is not there: {reason}."
        ) from None
    if not callable(found):
        raise InputError(f"the configuration names {target}, which is nothing to be called.")
    home = inspect.getmodule(found)
    if OWN.hold(target) and (home is None or not OWN.hold(f"{home.__name__}.")):
        raise InputError(
            f"the configuration names {target}, which a module of the suite has imported and is no "
            "part of it; name a component."
        )
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, as it stands in a sentence; or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def parameters(target: str, packages: Packages = OWN) -> dict[str, inspect.Parameter]:
    """What a constructor can be given, by name.

    Raises:
        InputError: as `constructor`.
    """
    return dict(inspect.signature(constructor(target, packages)).parameters)


def is_parameter(config: DictConfig, key: str, packages: Packages = OWN) -> bool:
    """Whether a key that a configuration does not have is one its component could be given."""
    place, _, name = key.rpartition(".")
    try:
        component = OmegaConf.select(config, place) if place else None
    except OmegaConfBaseException:
        return False
    if not isinstance(component, DictConfig) or "_target_" not in component:
        return False
    target = str(component["_target_"])
    if not packages.hold(target):
        return False
    found = parameters(target, packages).get(name)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return found is not None and found.kind in named
