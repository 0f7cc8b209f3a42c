"""Starting a run from the weights of a checkpoint, and the record of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from boxseg.data.box_only import sha256_of_file
from boxseg.errors import InputError
from boxseg.fine_tuning import FineTunable, Transfer, same_names, transfer
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.saved_model import SavedModel, categories_of, saved_model

logger = logging.getLogger(__name__)

SHOWN = 6
"""Names that a line of the log lists."""


def start_from_checkpoint(
    model: nn.Module, config: RunConfiguration, classes: Sequence[str]
) -> dict[str, Any]:
    """Give a model's networks the weights of the checkpoint that its run starts from.

    All of them start from the network whose detections the checkpoint's own run gives. Classes are
    met by their names.

    Args:
        model: as it was built; changed.
        config: of the run.
        classes: names of its classes, in their order.

    Returns:
        What was taken and what was not, as the run's result has it.

    Raises:
        InputError: the checkpoint cannot be read, or has another segmenter or backbone.
    """
    saved = saved_model(Path(config.start_from or ""))
    _refuse_other_segmenter(saved, config)
    own, other = _fine_tunable(model, config), _fine_tunable(saved.model(), saved.config)
    known = _names(saved)
    matched = same_names(classes, known)
    count = saved.config.num_classes or len(known)
    taken = transfer(own.networks[0], other.networks[0].state_dict(), matched, len(classes), count)
    _refuse_other_backbone(taken, own.networks[0], other.networks[0], saved, config)
    for network in own.networks:
        network.load_state_dict(taken.state)
    record = {
        "checkpoint": saved.checkpoint.name,
        "sha256": sha256_of_file(saved.checkpoint),
        "imported": saved.imported,
        "method": saved.config.method,
        "classes_matched": [classes[mine] for mine, _ in matched],
        "classes_new": _without(classes, [mine for mine, _ in matched]),
        "classes_left_out": _without(known, [its for _, its in matched]),
        "tensors_taken": taken.taken,
        "layers_by_class": list(taken.by_class),
        "layers_remade": list(taken.remade),
        "layers_left_out": list(taken.left_out),
    }
    for line in _told(record, saved):
        logger.info(line)
    return record


def _fine_tunable(model: nn.Module, config: RunConfiguration) -> FineTunable:
    if not isinstance(model, FineTunable):
        raise InputError(
            f"{config.model['_target_']} of method={config.method} cannot be fine-tuned; derive it "
            "from boxseg.fine_tuning.FineTunable, which says what it has to declare."
        )
    return model


def _names(saved: SavedModel) -> list[str]:
    """The names of the checkpoint's classes; none where nothing tells them."""
    try:
        return [one.name for one in categories_of(saved, None)]
    except InputError:
        return []


def _refuse_other_segmenter(saved: SavedModel, config: RunConfiguration) -> None:
    theirs, ours = (str(one.segmenter["_target_"]) for one in (saved.config, config))
    if theirs != ours:
        names = [one.parts.get("segmenter", "") for one in (saved.config, config)]
        raise InputError(
            f"checkpoint {saved.checkpoint} has segmenter={names[0]} ({theirs}), and the run "
            f"segmenter={names[1]} ({ours}); train with segmenter={names[0]}, or start from "
            "another checkpoint."
        )


def _refuse_other_backbone(
    taken: Transfer,
    own: FineTunable,
    other: FineTunable,
    saved: SavedModel,
    config: RunConfiguration,
) -> None:
    backbone = own.get_submodule("backbone")
    place = next(name for name, module in own.named_modules() if module is backbone)
    differing = taken.differing_below(place)
    # Which convolution of a block has the stride no tensor tells.
    theirs_strides = _strides(other.get_submodule("backbone"))
    differing += [
        f"{place}.{name}"
        for name, stride in _strides(backbone).items()
        if stride != theirs_strides.get(name, stride)
    ]
    if differing:
        theirs, ours = (
            f"backbone={one.backbone} scale={one.scale.name} for {one.dataset.kind}"
            for one in (saved.config, config)
        )
        raise InputError(
            f"checkpoint {saved.checkpoint} has another backbone ({theirs}) than the run ({ours}): "
            f"{len(differing)} layers differ (first: {differing[0]}); train with the checkpoint's, "
            "or start from another checkpoint."
        )


def _strides(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: one.stride for name, one in module.named_modules() if isinstance(one, nn.Conv2d)}


def _without(names: Sequence[str], places: Sequence[int]) -> list[str]:
    return [name for place, name in enumerate(names) if place not in set(places)]


def _told(record: dict[str, Any], saved: SavedModel) -> list[str]:
    """The record in a few lines."""
    known = len(record["classes_matched"]) + len(record["classes_left_out"])
    lines = [
        f"starting from {saved.checkpoint} (method={record['method']}): "
        f"{record['tensors_taken']} tensors taken",
        f"classes met by name: {_listed(record['classes_matched'])}; "
        f"new: {_listed(record['classes_new'])}; left out: {_listed(record['classes_left_out'])}",
    ]
    if not known:
        lines[1] += " (the checkpoint does not tell what its classes are)"
    for key, what in (("layers_remade", "made anew"), ("layers_left_out", "left out")):
        if record[key]:
            lines.append(f"layers {what}: {_listed(record[key])}")
    return lines


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
