"""Building what a configuration names: only parts of this suite, with one-sentence errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from boxseg.engine.checkpoint import load_model_state, read_state_dict
from boxseg.errors import InputError
from experiments.signatures import OWN_PACKAGES


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


def chosen_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the first GPU, or the CPU.

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device={name} cannot be used: {reason}.") from None
    return device


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


def _initial_weights_file(config: DictConfig) -> Path | None:
    if config.initial_weights is not None:
        return Path(config.initial_weights)
    if not config.scale.needs_initial_weights:
        return None
    usual = config.scale.get("initial_weights", {}).get(config.backbone)
    if usual is None or not Path(usual).is_file():
        place = "" if usual is None else f", or keep it at {usual}"
        raise InputError(
            f"scale {config.scale.name} starts from an ImageNet-pretrained backbone; give its "
            f"state dict with initial_weights=FILE{place} (`boxseg weights import` makes one of "
            "the published file)."
        )
    return Path(usual)


def load_initial_weights(model: nn.Module, config: DictConfig) -> None:
    """Start the bottom-up network from a file, where the scale or the user wants one.

    Offsets of deformable convolutions, which plain networks do not have, stay as they are.

    Raises:
        InputError: the scale needs one and none is given, or it does not fit.
    """
    file = _initial_weights_file(config)
    if file is None:
        return
    segmenter = model.get_submodule("student") if hasattr(model, "student") else model
    network = segmenter.get_submodule("backbone.bottom_up")
    offsets = {name: own for name, own in network.state_dict().items() if ".offset." in name}
    load_model_state(network, {**offsets, **read_state_dict(file)}, file)
