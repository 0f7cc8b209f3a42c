"""Parity of DiscoBox's losses with the released code's, on SOLOv2 and stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.discobox import BinaryMeanField, DiscoBoxSupervision, ScheduledGate
from baselines.discobox.cross_image import CrossImageSupervision
from baselines.discobox.object_bank import Likeness, ObjectBank, StoredObjects
from baselines.solov2 import SOLOv2
from boxseg.mask_losses import LossTerms
from tests.golden.files import Golden, each, files, needs
from tests.golden.solov2 import FEATURE_STRIDE, apply_recipe, batch_of, discobox, released_names

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
    return [{**x, "teacher": proposed.internals} for x in batch]


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


def stored_objects(golden: Golden) -> StoredObjects:
    """The given bank, class after class; each class's queue is in its order."""
    classes = [int(name) for name in golden.pieces("bank", "_count")]
    counts = [int(golden.arrays[f"bank{label}_count"]) for label in classes]
    filled = [label for label, count in zip(classes, counts, strict=True) if count]

    def parts(name: str) -> Tensor:
        return torch.cat([golden.tensor(f"bank{label}_{name}").float() for label in filled])

    labels = torch.tensor(classes).repeat_interleave(torch.tensor(counts))
    return StoredObjects(parts("features"), parts("masks"), parts("boxes"), labels)


@pytest.mark.parametrize("file", each(FILES))
def test_correspondence(file: Path) -> None:
    golden = Golden.load(file)
    config = golden.meta["config"]["bank"]
    likeness = Likeness(
        config["fg_iou_thresh"],
        config["bg_iou_thresh"],
        config["appear_thresh"],
        tuple(config["ratio_range"]),
    )
    bank = ObjectBank(config["len_object_queues"], config["max_retrieval_objs"], likeness)
    bank.objects = stored_objects(golden)
    alone = supervision(golden, OPEN)
    loss = CrossImageSupervision(
        alone.gate,
        ScheduledGate(OPEN),
        bank,
        alone.mean_field,
        alone.channel_order,
        least_side=config["min_size"] * FEATURE_STRIDE,
        feature_side=config["feat_height"],
        mask_side=config["mask_height"],
    )
    model = model_of(golden, loss)
    pyramid = {k: v.requires_grad_() for k, v in model.backbone.pyramid.items()}
    terms = model.losses(taught_batch(golden), 1)
    pairs = terms.diagnostics["correspondence_objects"].item()
    assert pairs == int(golden.arrays["corr_pairs_used"])
    assert_stage(golden, "corr", model, terms)
    gradient = pyramid["p2"].grad
    assert gradient is not None
    np.testing.assert_allclose(
        gradient.abs().sum(dim=(2, 3)), golden.arrays["corr_grad_p2"], rtol=1e-3
    )
