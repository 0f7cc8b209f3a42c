"""CondInst as a teacher: everything it proposes for an image, masks on demand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from boxseg.condinst.fcos import Candidates
from boxseg.condinst.model import CondInst, Features
from boxseg.pseudo_labels import TeacherPredictions


def _probabilities(
    model: CondInst, features: Features, candidates: Candidates, image: int, indices: Tensor
) -> Tensor:
    chosen = candidates[indices]
    logits = model.masks_at(features, chosen, torch.full_like(chosen.cells, image))
    return logits.sigmoid()


def teacher_predictions(
    model: CondInst, images: Sequence[Tensor], original_heights: Sequence[int]
) -> list[TeacherPredictions]:
    """Predictions of a batch before suppression, in each image's own pixels.

    Args:
        model: the teacher, in evaluation mode if its normalisation is to use stored statistics.
        images: (3, H, W), values 0-255.
        original_heights: of the original images, in pixels.
    """
    _, normalised = model.batched_images([{"image": image} for image in images])
    features = model.features(normalised.tensor)
    predictions = []
    for index, (image, original) in enumerate(zip(images, original_heights, strict=True)):
        candidates = model.detector.candidates(features.outputs, index)
        predictions.append(
            TeacherPredictions(
                boxes=candidates.boxes,
                scores=candidates.scores,
                classes=candidates.classes,
                image_size=(image.shape[1], image.shape[2]),
                original_scale=original / image.shape[1],
                mask_stride=model.mask_head.mask_stride,
                masks_of=partial(_probabilities, model, features, candidates, index),
                suppressed=partial(model.detector.surviving, candidates),
            )
        )
    return predictions
