"""CondInst as a teacher: everything it proposes for an image, masks on demand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.condinst.fcos import Candidates
from boxseg.pseudo_labels import ObjectPredictions, TeacherPredictions

if TYPE_CHECKING:
    from boxseg.condinst.model import CondInst, Features


def _probabilities(
    model: CondInst, features: Features, candidates: Candidates, image: int, indices: Tensor
) -> Tensor:
    chosen = candidates[indices]
    logits = model.masks_at(features, chosen, torch.full_like(chosen.cells, image))
    return logits.sigmoid()


def _at_objects(
    model: CondInst, features: Features, objects: Sequence[Instances]
) -> list[ObjectPredictions]:
    targets = model.detector.targets(features.outputs, objects)
    positives = model.sampled(model.detector.positives(features.outputs, targets))
    masks = model.masks_at(features, positives, positives.image_index).sigmoid()
    scores = model.detector.classification.scores(positives.scores)
    found = []
    first = 0
    for index, own in enumerate(objects):
        here = positives.image_index == index
        found.append(
            ObjectPredictions(masks[here], scores[here], positives.object_index[here] - first)
        )
        first += len(own)
    return found


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
                of_batch=partial(_at_objects, model, features),
                mask_features=features.mask_features[index],
            )
        )
    return predictions
