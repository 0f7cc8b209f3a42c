"""The golden files' weight recipe, applied to our models under the published names."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from boxseg.weights.names import published_name


def recipe_value(name: str, shape: tuple[int, ...], controller_scale: float) -> np.ndarray | None:
    """The recipe's value for a published name, or None where it leaves a tensor alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.rsplit(".", 1)[-1]
    if last in ("num_batches_tracked", "_iter") or name.endswith("sizes_of_interest"):
        return None
    if last == "running_var":
        return 0.5 + rng.random(shape)
    noise = rng.standard_normal(shape)
    if last == "running_mean":
        return 0.1 * noise
    if last == "scale":
        return np.ones(shape)
    if last == "bias":
        if name.endswith("cls_logits.bias"):
            return np.full(shape, -2.0)
        if name.endswith("bbox_pred.bias"):
            return np.full(shape, 2.0)
        return 0.01 * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise
    value = noise * np.sqrt(2 / np.prod(shape[1:]))
    if name.endswith("bottom_up.stem.conv1.weight"):
        value *= 0.02
    if ".fpn_lateral" in name:
        value *= 0.03
    if name in ("controller.weight", "controller_ema.weight"):
        value *= controller_scale
    return value


def apply_recipe(
    model: nn.Module, controller_scale: float, name_of: Callable[[str], str] = published_name
) -> int:
    """Give every tensor its recipe value; returns how many were set."""
    count = 0
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            value = recipe_value(name_of(name), tuple(tensor.shape), controller_scale)
            if value is not None:
                tensor.copy_(torch.from_numpy(np.asarray(value, dtype=np.float32)))
                count += 1
    return count
