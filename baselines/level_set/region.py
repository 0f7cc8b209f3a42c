"""The level set's region term (Chan and Vese's two phases) and the length of its contour.

There is no signed distance: the mask's probability inside the box, f = m b, is the one phase, and
g = (1 - m) b the other. The contour moves by gradient descent on the network.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_CELLS = 1e-5
"""What a mean is divided by at least."""


def phases(probabilities: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Inside f and outside g of masks, within their boxes: (P, h, w) each.

    Args:
        probabilities: (P, h, w).
        boxes: (P, h, w), in [0, 1], the boxes' masks.
    """
    inside = probabilities * boxes
    return inside, boxes - inside


def phase_means(target: Tensor, phase: Tensor) -> Tensor:
    """Means (P, K) of a target (P, K, h, w), weighted by a phase (P, h, w)."""
    sums = torch.einsum("pkhw,phw->pk", target, phase)
    return sums / phase.sum(dim=(1, 2)).clamp(min=LEAST_CELLS)[:, None]


def region_energy(probabilities: Tensor, boxes: Tensor, target: Tensor) -> Tensor:
    """How far a target is from one value inside of a mask and another outside: (P,), summed.

    (1 / K) sum_k sum_pixels (T - c_in)^2 f + (T - c_out)^2 g, over the box.

    Args:
        probabilities: (P, h, w).
        boxes: (P, h, w), in [0, 1].
        target: (P, K, h, w); it is multiplied with the boxes first.
    """
    target = target * boxes[:, None]
    squares = target.square().sum(dim=1)
    energy = probabilities.new_zeros(())
    for phase in phases(probabilities, boxes):
        # Squared out, so that no map of differences is made for every channel of every mask.
        cells = phase.sum(dim=(1, 2))
        squared_means = phase_means(target, phase).square().sum(dim=1)
        count = 2 * cells.clamp(min=LEAST_CELLS) - cells  # but for an empty phase: its cells
        energy = energy + (squares * phase).sum(dim=(1, 2)) - squared_means * count
    return energy / target.shape[1]


def contour_length(probabilities: Tensor, boxes: Tensor) -> Tensor:
    """Total variation of both phases: (P,). The box's border counts."""
    both = torch.stack(phases(probabilities, boxes), dim=1)
    vertical = (both[:, :, 1:] - both[:, :, :-1]).abs().sum(dim=(1, 2, 3))
    horizontal = (both[..., 1:] - both[..., :-1]).abs().sum(dim=(1, 2, 3))
    return vertical + horizontal


def region_term(
    probabilities: Tensor, boxes: Tensor, target: Tensor, length_weight: float = 0.0
) -> Tensor:
    """Energy of the regions, and weighted length of the contour, per pixel of the box: (P,)."""
    energy = region_energy(probabilities, boxes, target)
    if length_weight:
        energy = energy + length_weight * contour_length(probabilities, boxes)
    return energy / boxes.sum(dim=(1, 2)).clamp(min=1)
