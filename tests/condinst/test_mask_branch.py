"""Mask features from several pyramid levels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.condinst.mask_branch import MaskBranch


def levels() -> dict[str, Tensor]:
    sizes = {"p3": (12, 16), "p4": (6, 8), "p5": (3, 4), "p6": (2, 2)}
    return {name: torch.randn(2, 6, *size) for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("names", "size"), [(["p3", "p4", "p5"], (12, 16)), (["p4", "p5"], (6, 8)), (["p3"], (12, 16))]
)
def test_shape_is_the_finest_levels(names: list[str], size: tuple[int, int]) -> None:
    branch = MaskBranch(names, 6, channels=5, convolutions=2, out_channels=16)
    assert branch(levels()).shape == (2, 16, *size)


def test_merge_adds_the_aligned_levels() -> None:
    branch = MaskBranch(["p3", "p4", "p5"], 6, channels=5, convolutions=1, out_channels=4).eval()
    pyramid = levels()
    merged = sum(
        aligned_upsample(refine(pyramid[name]), factor)
        for refine, name, factor in zip(branch.refine, ("p3", "p4", "p5"), (1, 2, 4), strict=True)
    )
    torch.testing.assert_close(branch(pyramid), branch.tower(merged))


def test_every_level_used_is_learnt_from() -> None:
    pyramid = {name: level.requires_grad_() for name, level in levels().items()}
    MaskBranch(["p3", "p4", "p5"], 6, channels=5, out_channels=4)(pyramid).sum().backward()
    for name in ("p3", "p4", "p5"):
        gradient = pyramid[name].grad
        assert gradient is not None
        assert gradient.any()
    assert pyramid["p6"].grad is None
