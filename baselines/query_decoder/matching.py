"""Which query is which object, from classes and boxes alone.

The box-only matching of Box2Mask (Li et al., "Box2Mask: Box-supervised Instance Segmentation via
Level-set Evolution", TPAMI 2024): of a query's mask only the projections onto the sides are
compared, so that no cost term sees a pixel inside the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from baselines.query_decoder.decoder import PredictionSets
from boxseg.box_masks import box_profiles
from boxseg.errors import InputError
from boxseg.pseudo_labels import boxes_of, classes_of
from boxseg.ragged import image_index

IMPOSSIBLE = 1e6
"""In the place of a cost that is not finite, which would stop the assignment."""


@dataclass(frozen=True)
class Matches:
    """Queries and their objects: one set's after the other's, one image's after the other's.

    Attributes:
        sets, images, queries: int64 (P,), which query.
        object_index: int64 (P,), into the objects of all images one after the other.
    """

    sets: Tensor
    images: Tensor
    queries: Tensor
    object_index: Tensor


def class_costs(class_logits: Tensor, classes: Tensor, images: Tensor) -> Tensor:
    """Minus the probability of the object's class: (S, N, Q), in [-1, 0].

    Args:
        class_logits: (S, B, Q, classes + 1).
        classes: int64 (N,), of the objects.
        images: int64 (N,), where they are.
    """
    probabilities = class_logits.softmax(dim=3)
    # Indexing apart, the objects come first: (N, S, Q).
    return -probabilities[:, images, :, classes].transpose(0, 1)


def projection_costs(projections: Tensor, profiles: Tensor, images: Tensor) -> Tensor:
    """1 - (2 x.t + 1) / (|x|^2 + |t|^2 + 1) of projections and boxes: (S, N, Q), in [0, 1].

    Args:
        projections: (S, B, Q, L), x, the masks' maxima along rows or columns, in [0, 1].
        profiles: (N, L), t, what the objects' boxes fill.
        images: int64 (N,), where the objects are.
    """
    targets = profiles.to(projections.dtype)
    common = torch.einsum("snql,nl->snq", projections[:, images], targets)
    squares = projections.square().sum(dim=3)[:, images] + targets.square().sum(dim=1)[:, None]
    return 1 - (2 * common + 1) / (squares + 1)


class BoxMatching:
    """One query of every set for each object, by the least sum of costs (Hungarian method).

    Args:
        class_weight: of the class's probability.
        box_weight: of both projections.
        enlargement: masks are enlarged so many times, bilinearly, before they are projected; the
            released code compares at every pixel, with the masks' stride. Assignments are nearly
            the same, at many times the cost.
    """

    def __init__(
        self, class_weight: float = 2.0, box_weight: float = 5.0, enlargement: int = 1
    ) -> None:
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.enlargement = enlargement

    @torch.no_grad()
    def costs(self, predicted: PredictionSets, objects: Sequence[Instances], stride: int) -> Tensor:
        """What it costs to make a query an object of its image: float32 (S, N, Q).

        Args:
            predicted: on B images.
            objects: per image, N in all, with `gt_boxes` and `gt_classes`.
            stride: of the masks, in pixels.

        Raises:
            InputError: masks cannot be enlarged beyond the pixels.
        """
        if stride % self.enlargement:
            raise InputError(
                f"the matching's enlargement {self.enlargement} does not divide the masks' stride "
                f"{stride}; set it to a divisor, such as 1."
            )
        device = predicted.classes.device
        images = image_index([len(of_image) for of_image in objects], device)
        pairs = [self._projections(masks) for masks in predicted.masks]
        on_rows, on_columns = (torch.stack(sides) for sides in zip(*pairs, strict=True))
        size = (on_rows.shape[3], on_columns.shape[3])
        boxes = boxes_of(objects, device)
        rows, columns = box_profiles(boxes, stride // self.enlargement, *size)
        class_cost = class_costs(predicted.classes, classes_of(objects, device), images)
        box_cost = projection_costs(on_rows, rows, images) + projection_costs(
            on_columns, columns, images
        )
        return self.class_weight * class_cost + self.box_weight * box_cost

    def _projections(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Maxima of masks (B, Q, h, w), logits, along rows (B, Q, h) and columns (B, Q, w)."""
        if self.enlargement > 1:
            masks = F.interpolate(masks, scale_factor=self.enlargement, mode="bilinear")
        return masks.amax(dim=3).sigmoid(), masks.amax(dim=2).sigmoid()

    def __call__(
        self, predicted: PredictionSets, objects: Sequence[Instances], stride: int
    ) -> Matches:
        """Match; arguments as of `costs`. With more objects than queries the dearest have none."""
        device = predicted.classes.device
        costs = self.costs(predicted, objects, stride)
        finite = costs.nan_to_num(IMPOSSIBLE, IMPOSSIBLE, -IMPOSSIBLE).cpu().numpy()
        ends = np.cumsum([len(of_image) for of_image in objects])
        rows = [np.zeros((4, 0), dtype=np.int64)]
        for number, of_set in enumerate(finite):
            for image, of_image in enumerate(np.split(of_set, ends[:-1])):
                queries, found = linear_sum_assignment(of_image.T)
                first = ends[image] - len(of_image)
                places = np.broadcast_arrays(number, image, queries, found + first)
                rows.append(np.stack(places).astype(np.int64))
        return Matches(*torch.from_numpy(np.concatenate(rows, axis=1)).to(device))
