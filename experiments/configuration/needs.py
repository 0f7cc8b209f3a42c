"""Whether the parts of a configuration give one another what their classes say that they need.

Nothing is built. The classes that configurations name are imported, with torch: this is for where
components are about to be built, submitted or validated, and not for where runs are only listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, cast, get_type_hints

from boxseg.copy_paste import CopyPaste
from boxseg.errors import InputError
from boxseg.mask_losses import MaskLoss
from boxseg.pseudo_labels import PseudoLabeller
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import OwnFrame, TeacherFrame
from boxseg.unmet_needs import refuse_unmet_needs
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.schema import Component
from experiments.configuration.signatures import constructor

Part = TypeVar("Part")


def refuse_unfit(config: RunConfiguration) -> None:
    """Refuse a composition of which a part could never do its work.

    Raises:
        InputError: what is missing, or a part is not what its place is for.
    """
    for sentence in _unfit(config):
        raise InputError(sentence)


def _unfit(config: RunConfiguration) -> Iterator[str]:
    """A sentence per need that is not met, the first to be told first."""
    if config.start_from is not None and config.initial_weights is not None:
        yield (
            "from= gives weights to the whole network, and initial_weights= to its backbone; leave "
            "one of them out."
        )
    has = config.parts
    if "step" not in has or "segmenter" not in has:
        return  # a model that is not composed of parts
    taught = config.step != config.segmenter
    losses: Mapping[str, type[MaskLoss]] = {}
    if "losses" in has:
        losses = {
            name: _class(config, f"losses.{name}", node, MaskLoss)
            for name, node in config.losses.items()
            if node is not None
        }
    host = _class_of(config, config.segmenter)
    gives_features = issubclass(host, Segmenter) and host.gives_mask_features
    gives_objects = issubclass(host, Segmenter) and host.gives_object_predictions
    gives_central = issubclass(host, Segmenter) and host.gives_central_predictions
    if taught and not issubclass(host, Segmenter):
        yield (
            f"{_named(config, 'step')} needs a segmenter that proposes objects to a teacher, and "
            f"segmenter={has['segmenter']} does not; choose another segmenter or step=plain."
        )
        return
    for name, loss in losses.items():
        place = f"losses.{name} of losses={has['losses']}"
        if loss.needs_pseudo_masks and not taught:
            yield (
                f"{place} needs pseudo masks, and {_named(config, 'step')} has no teacher that "
                "makes any; choose other losses, or a step with a teacher and its pseudo_labels, "
                "such as step=teacher-student pseudo_labels=qam."
            )
        if loss.needs_true_masks and (taught or not config.load_masks):
            given = _named(config, "step" if taught else "supervision")
            yield (
                f"{place} needs the true masks of the training objects, and {given} gives none; "
                "choose other losses, or supervision=masks step=plain."
            )
        if loss.needs_teacher_features and not taught:
            yield (
                f"{place} compares a teacher's mask features, and {_named(config, 'step')} has no "
                "teacher; choose other losses or another step."
            )
        if (loss.needs_teacher_features or loss.needs_mask_features) and not gives_features:
            yield (
                f"{place} needs mask features, which segmenter={has['segmenter']} does not give; "
                "choose other losses or another segmenter."
            )
        if loss.uses_teacher_masks and taught and not gives_objects:
            yield (
                f"{place} compares a teacher's masks in the same places, which segmenter="
                f"{has['segmenter']} does not give; choose other losses or another segmenter."
            )
        if loss.needs_central_predictions and not gives_central:
            yield (
                f"{place} needs one prediction for every object, which segmenter="
                f"{has['segmenter']} does not give; choose other losses, or segmenter=solov2."
            )
    if "pseudo_labels" in has and config.pseudo_labels is not None:
        yield from _unfit_labels(config, config.pseudo_labels, losses)
    if "copy_paste" in has and config.copy_paste is not None:
        paste = _class(config, "copy_paste", config.copy_paste, CopyPaste)
        if paste.needs_other_images and config.solver.batch_size == 1:
            yield (
                f"copy_paste={has['copy_paste']} takes objects from the other images of the batch, "
                "and solver.batch_size=1 leaves none; set it to 2 or more, or choose another "
                "copy_paste, such as peer."
            )


def _unfit_labels(
    config: RunConfiguration, node: Component, losses: Mapping[str, type[MaskLoss]]
) -> Iterator[str]:
    said = f"pseudo_labels={config.parts['pseudo_labels']}"
    labeller = _class(config, "pseudo_labels", node, PseudoLabeller)
    host = _class(config, "segmenter", config.segmenter, Segmenter)
    frame = config.step.get("teacher_frame")
    shown = OwnFrame if frame is None else _class(config, "step.teacher_frame", frame, TeacherFrame)
    try:
        refuse_unmet_needs(host, losses.values(), labeller, shown)
    except InputError as error:
        words = " ".join(f"{part}={config.parts[part]}" for part in ("segmenter", "step"))
        yield f"{said} cannot go with {words}: {error}"
    if labeller.needs_true_masks and not config.load_masks:
        yield (
            f"{said} needs the true masks of the training objects, and dataset="
            f"{config.dataset.name} loads none; set dataset.diagnose=true where the data have them."
        )
    teaches = any(loss.needs_pseudo_masks for loss in losses.values())
    if not teaches and (config.copy_paste is None or config.labels_teach):
        yield (
            f"losses={config.parts.get('losses', 'none')} has no loss on pseudo masks, so that "
            f"nothing learns from those of {said} of method={config.method}; choose other losses, "
            "such as pseudo-masks, or labels_teach=false where they serve a copy_paste alone."
        )


def _named(config: RunConfiguration, part: str) -> str:
    named = f"{part}={config.parts[part]} of " if part in config.parts else ""
    return f"{named}method={config.method}"


def _class(
    config: RunConfiguration, place: str, node: Component, kind: Callable[..., Part]
) -> type[Part]:
    """The class that a component is of.

    Raises:
        InputError: it is of another kind than its place is for.
    """
    made = _class_of(config, node)
    assert inspect.isclass(kind)
    if not issubclass(made, kind):
        raise InputError(
            f"{place} is {node['_target_']}, which is no {kind.__module__}.{kind.__name__}; derive "
            "it from that class, which says what it has to offer and to declare."
        )
    return cast(type[Part], made)


def _class_of(config: RunConfiguration, node: Component) -> type:
    """The class that a component is of, or what its constructor says that it gives."""
    made = constructor(str(node["_target_"]), config.packages)
    if inspect.isclass(made):
        return made
    given = get_type_hints(made).get("return")
    return given if inspect.isclass(given) else object
