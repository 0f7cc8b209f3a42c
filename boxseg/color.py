"""Colours in CIE LAB, where distances are roughly what people see."""

from __future__ import annotations

import torch
from torch import Tensor

# Linear sRGB to CIE XYZ, divided by the white point of the D65 illuminant (2 degree observer).
_RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE LAB (D65).

    Args:
        rgb: (..., 3, H, W), values 0-255.

    Returns:
        The same shape: L in [0, 100], a and b roughly in [-128, 127].
    """
    values = rgb / 255
    linear = torch.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    matrix = torch.tensor(_RGB_TO_XYZ, device=rgb.device, dtype=linear.dtype)
    matrix = matrix / torch.tensor(_WHITE, device=rgb.device, dtype=linear.dtype)[:, None]
    xyz = torch.einsum("ij,...jhw->...ihw", matrix, linear)
    f = torch.where(xyz > 0.008856, xyz.clamp(min=0) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(dim=-3)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=-3)
