"""The network of a checkpoint that predicts, alone: small enough to be handed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from boxseg.data.box_only import sha256_of_file
from boxseg.engine.checkpoint import checkpoint_content, write_checkpoint
from boxseg.errors import InputError
from boxseg.fine_tuning import OF_TRAINING, FineTunable
from experiments.run.saved_model import saved_model

NO_RUN = "exported"
"""In the place of a configuration's hash: no run goes on from an exported checkpoint."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        target: the file.
        sentences: about it, for the user.
    """

    target: Path
    sentences: tuple[str, ...]


def export_network(place: Path, target: Path, half: bool = False) -> Exported:
    """Write the network whose detections a checkpoint gives, with its configuration and classes.

    `boxseg evaluate` and `predict` take the file as they take the checkpoint, `boxseg train from=`
    starts from it, and `annotate` labels with it where the labeller learns nothing. Left out are
    the optimiser, the other network of a teacher and its student, the parameters of losses and the
    bank of copy-paste, so no run goes on from it.

    Args:
        place: a run directory, or a checkpoint.
        target: file to write; there must be none.
        half: round weights to half precision, which halves the file; they are computed with in
            single precision as before.

    Raises:
        InputError: the checkpoint cannot be read or its model cannot be taken apart, or `target` is
            there already or cannot be written.
    """
    if target.exists():
        raise InputError(f"{target} is there already; remove it, or choose another file.")
    saved = saved_model(place)
    model = saved.model()
    network = model.networks[0] if isinstance(model, FineTunable) else model
    config = saved.config
    alone = network is not model
    if alone:
        # The terms of its training may need a teacher; without any it predicts all the same.
        config = config.changed(model={**config.segmenter, OF_TRAINING: {}})
        setattr(network, OF_TRAINING, nn.ModuleDict())
    parameters = sum(one.numel() for one in network.parameters())
    origin = (
        f"# {'the network that predicts, of ' if alone else ''}method={config.method}, seed "
        f"{config.seed}, checkpoint of sha256 {sha256_of_file(saved.checkpoint)}"
        f"{', in half precision' if half else ''}\n"
    )
    content = checkpoint_content(
        network.half() if half else network,
        0,
        NO_RUN,
        0.0,
        config_yaml=origin + config.as_yaml(),
        trained_on=saved.trained_on,
    )
    write_checkpoint(target, content)
    return Exported(
        target,
        (
            f"method={config.method}, {parameters / 1e6:.1f} million parameters"
            f"{' in half precision' if half else ''}, {target.stat().st_size / 1e6:.1f} MB",
            f"use it as any checkpoint: `boxseg predict IMAGE --checkpoint {target}`",
        ),
    )
