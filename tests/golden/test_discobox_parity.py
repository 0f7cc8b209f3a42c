"""Parity of DiscoBox's losses with the released code's, on SOLOv2 and stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from baselines.discobox import BinaryMeanField, DiscoBoxSupervision, ScheduledGate
from baselines.solov2 import SOLOv2
from boxseg.mask_losses import LossTerms
from tests.golden.files import Golden, each, files, needs
from tests.golden.solov2 import apply_recipe, batch_of, discobox, released_names

FILES = files("case7_discobox_model")
OPEN, CLOSED = 0, 10
PUBLISHED = {
    "loss_cls": "loss_cate",
    "loss_prj": "loss_ins",
    "loss_self_training": "loss_ts",
    "loss_correspondence": "loss_corr",
}

pytestmark = needs(FILES)


def supervision(golden: Golden, start_iterations: int) -> DiscoBoxSupervision:
    config = golden.meta["config"]
    field = config["mean_field"]
    return DiscoBoxSupervision(
        ScheduledGate(start_iterations),
        BinaryMeanField(
            field["rounds"],
            field["base"],
            field["kernel"],
            field["alpha0"],
            field["theta0"],
            field["theta1"],
        ),
        channel_order=config["channel_order"],
    )


def model_of(golden: Golden, loss: DiscoBoxSupervision) -> SOLOv2:
    model = discobox(golden)
    model.mask_losses = nn.ModuleDict({"discobox": loss})
    return model.train()


def taught_batch(golden: Golden) -> list[dict[str, Any]]:
    """The batch with the masks of a teacher that has weights of its own."""
    batch = batch_of(golden)
    teacher = discobox(golden)
    apply_recipe(teacher, golden.meta["config"]["kernel_scale"], prefix="teacher.")
    with torch.no_grad():
        proposed = teacher.proposals([x["image"] for x in batch], [x["height"] for x in batch])
    assert proposed.internals is not None
    return [{**x, "teacher_masks_at": proposed.internals.at_positives} for x in batch]


def assert_stage(golden: Golden, stage: str, model: SOLOv2, terms: LossTerms) -> None:
    """All losses, those that are 0 left out or not, and the gradient of every parameter."""
    ours = {PUBLISHED[name]: loss.item() for name, loss in terms.losses.items()}
    expected = golden.losses(stage)
    assert dict.fromkeys(expected, 0.0) | ours == pytest.approx(expected, rel=1e-4)
    torch.stack(list(terms.losses.values())).sum().backward()
    names = released_names(model)
    norms = {
        names[name]: 0.0 if parameter.grad is None else parameter.grad.norm().item()
        for name, parameter in model.named_parameters()
    }
    published = golden.meta["gradient_norms"][stage]
    assert {name: norms[name] for name in published} == pytest.approx(
        published, rel=1e-3, abs=1e-4 * max(published.values())
    )


@pytest.mark.parametrize("file", each(FILES))
def test_warm(file: Path) -> None:
    golden = Golden.load(file)
    model = model_of(golden, supervision(golden, CLOSED))
    assert_stage(golden, "warm", model, model.losses(batch_of(golden), 1))


@pytest.mark.parametrize("file", each(FILES))
def test_teacher_is_the_student(file: Path) -> None:
    golden = Golden.load(file)
    model = model_of(golden, supervision(golden, OPEN))
    assert_stage(golden, "self", model, model.losses(batch_of(golden), 1))


@pytest.mark.parametrize("file", each(FILES))
def test_own_teacher(file: Path) -> None:
    golden = Golden.load(file)
    model = model_of(golden, supervision(golden, OPEN))
    assert_stage(golden, "teacher", model, model.losses(taught_batch(golden), 1))
