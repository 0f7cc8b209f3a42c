"""Which parts of a teacher-student step go together, from what they declare alone."""

from __future__ import annotations

from collections.abc import Iterable

from boxseg.errors import InputError
from boxseg.mask_losses import MaskLoss
from boxseg.pseudo_labels import PseudoLabeller
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import TeacherFrame


def refuse_unmet_needs(
    host: type[Segmenter],
    losses: Iterable[type[MaskLoss]],
    pseudo_labeller: type[PseudoLabeller],
    teacher_frame: type[TeacherFrame],
) -> None:
    """Refuse parts that need what the others do not give, from their declarations alone.

    Raises:
        InputError: which part needs what, and which other does not give it.
    """
    for loss in losses:
        features = loss.needs_mask_features or loss.needs_teacher_features
        if features and not host.gives_mask_features:
            raise InputError(
                f"{loss.__name__} needs mask features, and {host.__name__} gives none; choose "
                "losses that do without, or another segmenter."
            )
        if loss.uses_teacher_masks and not host.gives_object_predictions:
            raise InputError(
                f"{loss.__name__} compares a teacher's masks in the same places, and "
                f"{host.__name__} gives none; choose other losses, or another segmenter."
            )
        if loss.needs_central_predictions and not host.gives_central_predictions:
            raise InputError(
                f"{loss.__name__} needs one prediction for every object, and {host.__name__} gives "
                "none; choose other losses, or another segmenter, such as solov2."
            )
    name = pseudo_labeller.__name__
    needs = {
        "mask features": (pseudo_labeller.needs_mask_features, host.gives_mask_features),
        "predictions for an object's own places": (
            pseudo_labeller.needs_object_predictions,
            host.gives_object_predictions,
        ),
    }
    for what, (needed, given) in needs.items():
        if needed and not given:
            raise InputError(
                f"{name} needs the teacher's {what}, and {host.__name__} gives none; choose "
                "another pseudo labeller or another segmenter."
            )
        if needed and not teacher_frame.keeps_grid:
            raise InputError(
                f"{name} needs the teacher's {what}, which {teacher_frame.__name__} does not keep, "
                "as it makes labels at another size; choose another pseudo labeller, or a frame "
                "that keeps the teacher's grid."
            )
