"""The weights that a run's backbone starts from."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from boxseg.engine.checkpoint import load_model_state, read_state_dict
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration


def load_initial_weights(model: nn.Module, config: RunConfiguration) -> None:
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


def _initial_weights_file(config: RunConfiguration) -> Path | None:
    file = config.initial_weights_file
    if config.initial_weights is not None or not config.scale.needs_initial_weights:
        return file
    usual = config.scale.initial_weights.get(config.backbone)
    if file is None or not file.is_file():
        place = "" if usual is None else f", or keep it at {usual}"
        raise InputError(
            f"scale {config.scale.name} starts from an ImageNet-pretrained backbone; give its "
            f"state dict with initial_weights=FILE{place} (`boxseg weights import` makes one of "
            "the published file)."
        )
    return file
