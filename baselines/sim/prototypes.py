"""SIM's class prototypes in the space of mask features, and how pixels find theirs.

Li et al., "SIM: Semantic-aware Instance Mask Generation for Box-Supervised Instance Segmentation",
CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from detectron2.utils import comm
from torch import Tensor, nn

from boxseg.engine.distributed import mean_over_ranks

Assignment = Callable[[Tensor, Tensor, int], Tensor]
"""From similarities (n, K) of pixels with the K prototypes of their class; those classes, int64
(n,), the same class in two images being two; and a number that all of these are below: to the index
of each pixel's prototype, int64 (n,)."""


def unit_features(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask features at the masks' stride, each pixel's of length 1.

    Args:
        features: (B, D, h, w).
        size: (H, W) of the masks.

    Returns:
        float32 (B, D, H, W).
    """
    fine = features.float()
    if tuple(features.shape[-2:]) != size:
        fine = F.interpolate(fine, size=size, mode="bilinear", align_corners=False)
    return F.normalize(fine, dim=1)


class SinkhornAssignment:
    """The arg-max of an assignment that uses the prototypes of a class equally (Sinkhorn-Knopp).

    exp(similarity / epsilon) is normalised alternately over each prototype's pixels and each
    pixel's prototypes, so that a class's pixels spread over all of its prototypes.

    Args:
        epsilon: the smaller, the closer to the nearest prototype.
        passes: of both normalisations.
    """

    def __init__(self, epsilon: float = 0.05, passes: int = 3) -> None:
        self.epsilon = epsilon
        self.passes = passes

    def probabilities(self, similarities: Tensor, classes: Tensor, groups: int) -> Tensor:
        """Soft assignments of n pixels, all classes at once: (n, K), rows summing to 1.

        Args:
            similarities: (n, K), of the pixels with the prototypes of their class.
            classes: int64 (n,); pixels of one class share its prototypes.
            groups: more than the greatest of the classes.
        """
        assigned = (similarities / self.epsilon).exp()
        for _ in range(self.passes):
            sums = assigned.new_zeros(groups, assigned.shape[1]).index_add_(0, classes, assigned)
            assigned = assigned / sums[classes]
            assigned = assigned / assigned.sum(dim=1, keepdim=True)
        return assigned

    def __call__(self, similarities: Tensor, classes: Tensor, groups: int) -> Tensor:
        """Assign; see `Assignment`."""
        return self.probabilities(similarities, classes, groups).argmax(dim=1)


class Prototypes(nn.Module):
    """K prototypes of each class: what its pixels look like in the space of mask features.

    They are a buffer, so the checkpoint keeps them.

    Args:
        num_classes: C.
        channels: D, of the mask features.
        per_class: K.
        momentum: share of itself that a prototype keeps when it learns from an image.
        assignment: of pixels to the prototypes of their class; Sinkhorn by default.
        normalised_axis: of the (C, K, D) prototypes, along which they have length 1: 2 makes
            similarities cosines; the released code's 1 is across a class's prototypes, channel by
            channel, which looks like a slip.
    """

    prototypes: Tensor

    def __init__(
        self,
        num_classes: int,
        channels: int,
        per_class: int = 10,
        momentum: float = 0.999,
        assignment: Assignment | None = None,
        normalised_axis: Literal[1, 2] = 2,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.assignment = assignment or SinkhornAssignment()
        self.normalised_axis = normalised_axis
        drawn = nn.init.trunc_normal_(torch.empty(num_classes, per_class, channels), std=0.02)
        self.register_buffer("prototypes", F.normalize(drawn, dim=normalised_axis))

    def synchronise(self) -> None:
        """Make the prototypes of several processes their mean, of length 1 again."""
        if comm.get_world_size() > 1:
            mean = mean_over_ranks(self.prototypes)
            self.prototypes.copy_(F.normalize(mean, dim=self.normalised_axis))

    def similarities(self, features: Tensor, classes: Tensor, counts: Sequence[int]) -> Tensor:
        """Inner products of images' pixels with the prototypes of some classes.

        Args:
            features: float32 (B, D, h, w), of length 1 at every pixel.
            classes: int64 (N,), one image's after the other's.
            counts: how many of them are each image's.

        Returns:
            float32 (N, K, h, w).
        """
        asked = self.prototypes[classes].split(list(counts))
        return torch.cat(
            [
                torch.einsum("nkd,dhw->nkhw", prototypes, maps)
                for prototypes, maps in zip(asked, features, strict=True)
            ]
        )

    @torch.no_grad()
    def learn(
        self,
        features: Tensor,
        similarities: Tensor,
        regions: Tensor,
        classes: Tensor,
        images: Tensor,
    ) -> None:
        """Move the prototypes towards the pixels assigned to them, image by image.

        A prototype moves towards the direction of the sum of an image's pixels that are its own; it
        stays where there are none.

        Args:
            features: float32 (B, D, h, w), of length 1, what the prototypes move towards.
            similarities: float32 (R, K, h, w), what pixels are assigned by.
            regions: bool (R, h, w), the pixels to learn from; a pixel in several regions of a class
                counts several times.
            classes: int64 (R,), of the regions.
            images: int64 (R,), of the regions.
        """
        count, per_class, _ = self.prototypes.shape
        groups = images * count + classes  # pixels are assigned among those of an image's class
        order = groups.argsort(stable=True)
        rows, ys, xs = regions[order].nonzero(as_tuple=True)
        origin = order[rows]
        group = groups[origin]
        assigned = self.assignment(similarities[origin, :, ys, xs], group, len(features) * count)
        place = group * per_class + assigned
        sums = features.new_zeros(len(features) * count * per_class, features.shape[1])
        sums = sums.index_add_(0, place, features[images[origin], :, ys, xs])
        used = torch.zeros_like(sums[:, 0], dtype=torch.bool).index_fill_(0, place, True)
        shape = (len(features), count * per_class)
        # Their length is made 1 after every image, so images cannot move them at once.
        for towards, is_used in zip(
            F.normalize(sums, dim=1).unflatten(0, shape), used.unflatten(0, shape), strict=True
        ):
            flat = self.prototypes.flatten(0, 1)
            moved = self.momentum * flat + (1 - self.momentum) * towards
            moved = torch.where(is_used[:, None], moved, flat).reshape(self.prototypes.shape)
            self.prototypes.copy_(F.normalize(moved, dim=self.normalised_axis))
