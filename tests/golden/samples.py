"""The copy-paste's samples of the golden files."""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from tests.golden.files import Golden


def sample_of(golden: Golden, prefix: str) -> TrainingSample:
    """A sample of the arrays of this prefix; what they do not give is 0."""
    boxes = golden.tensor(f"{prefix}_boxes")
    image = golden.tensor(f"{prefix}_img")

    def values(name: str) -> Tensor:
        key = f"{prefix}_{name}"
        return golden.tensor(key) if key in golden.arrays else torch.zeros(len(boxes))

    return TrainingSample(
        image=image,
        boxes=boxes,
        classes=values("labels").long(),
        masks=golden.bits(f"{prefix}_masks_packed", image.shape[2]),
        quality=values("mask_scores"),
        scores=values("scores"),
        valid=torch.ones(len(boxes), dtype=torch.bool),
        pasted=torch.zeros(len(boxes), dtype=torch.bool),
    )


def variant_seed(golden: Golden, model: Golden) -> int:
    """The seed of a file's variant, which the sidecar of case 4's model names."""
    return int(model.told("notes", rf"\b{golden.meta['variant']} (\d+)"))
