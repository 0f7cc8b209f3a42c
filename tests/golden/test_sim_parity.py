"""Parity with the released SIM, network and all: losses, gradients, labels, prototypes, bank."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.sim.prototypes import Prototypes, unit_features
from baselines.sim.losses import PseudoMaskFocal
from baselines.sim.released import (
    DilutedPastedMaskLoss,
    VisibleAreaSupervision,
    twice_sigmoid_focal_pixels,
    visible_centers,
)
from baselines.sim.released_copy_paste import BankImage, ReleasedImageCopyPaste
from baselines.sim.released_step import ReleasedSIM
from boxseg.condinst import CondInst
from tests.golden.comparison import assert_gradients, assert_losses
from tests.golden.files import Golden, each, each_case, files, needs
from tests.golden.models import build
from tests.golden.weights import apply_recipe, published_name

FILES = files("case5_sim_model")
pytestmark = needs(FILES, files("case2_boxinst"))


class StoredAssignment:
    """Gives out the indices that the released code drew."""

    def __init__(self, indices: Tensor) -> None:
        self.indices = indices

    def __call__(self, similarities: Tensor, classes: Tensor) -> Tensor:
        given, self.indices = self.indices.split(
            [len(classes), len(self.indices) - len(classes)]
        )
        return given.long()


def slow_name(name: str) -> str:
    """The released name of a tensor of the slow network."""
    module, _, rest = published_name(name).partition(".")
    return f"{module}_ema.{rest}"


def network(golden: Golden) -> CondInst:
    settings = golden.section("BOXINST", {})
    supervision = VisibleAreaSupervision(
        color_threshold=settings["PAIRWISE"]["COLOR_THRESH"],
        warmup_iterations=settings["PAIRWISE"]["WARMUP_ITERS"],
        bottom_rows_removed=settings["BOTTOM_PIXELS_REMOVED"],
        dilation=settings["PAIRWISE"]["DILATION"],
    )
    terms = [
        supervision,
        PseudoMaskFocal(pixel_loss=twice_sigmoid_focal_pixels),
        DilutedPastedMaskLoss(pixel_loss=twice_sigmoid_focal_pixels),
    ]
    model = build(golden, {}, terms)
    model.detector.object_centers = visible_centers
    return model


def released_sim(golden: Golden, case: str) -> ReleasedSIM:
    """The released SIM before a case's forward."""
    given = golden.tensor("prototypes_in")
    prototypes = Prototypes(
        *given.shape[:1],
        given.shape[2],
        given.shape[1],
        assignment=StoredAssignment(golden.tensor(f"{case}_assign")),
        normalised_axis=1,
    )
    prototypes.prototypes.copy_(torch.nn.functional.normalize(given, dim=1))
    slow = network(golden)
    apply_recipe(slow, golden.meta["controller_scale"], slow_name)
    length = golden.section("BOXINST", {})["LENGTH"]
    copy_paste = ReleasedImageCopyPaste(length, probability=float(pasted(golden, case)))
    copy_paste.bank.extend(bank(golden))
    copy_paste.numbers.seed(int(golden.arrays[f"{case}_random_seed"]))
    return ReleasedSIM(network(golden), slow, prototypes, copy_paste).train()


def bank(golden: Golden) -> list[BankImage]:
    images = []
    while f"bank{len(images)}_image" in golden.arrays:
        prefix = f"bank{len(images)}"
        image = golden.tensor(f"{prefix}_image")
        images.append(
            BankImage(
                image,
                golden.tensor(f"{prefix}_classes").long(),
                golden.bits(f"{prefix}_masks_packed", image.shape[2]),
                golden.tensor(f"{prefix}_score"),
            )
        )
    return images


def told(golden: Golden, case: str) -> tuple[int, bool]:
    """The counter before a case's forward, and whether it pastes."""
    found = re.fullmatch(
        r"mask_head\._iter before the forward = (\d+), paste=(True|False)",
        golden.meta["cases"][case],
    )
    assert found
    return int(found[1]), found[2] == "True"


def pasted(golden: Golden, case: str) -> bool:
    return told(golden, case)[1]


@pytest.mark.parametrize(("file", "case"), each_case(FILES))
def test_losses_gradients_and_prototypes(file: Path, case: str) -> None:
    golden = Golden.load(file)
    model = released_sim(golden, case)
    losses = model(golden.inputs(), told(golden, case)[0] + 1).losses
    print({k:v.item() for k,v in losses.items()})
    print(golden.losses(case))
    assert_losses(golden, case, losses)
    np.testing.assert_allclose(
        model.prototypes.prototypes, golden.arrays[f"{case}_prototypes_out"], atol=1e-6
    )
    assert_gradients(golden, case, losses, model.student)
