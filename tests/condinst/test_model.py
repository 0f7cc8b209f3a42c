"""CondInst in training: what reaches a loss, learning, empty images, precision."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from detectron2.structures import BitMasks
from torch import Tensor, nn

from boxseg.condinst import CondInst
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms
from boxseg.mask_supervision import MaskSupervision
from tests.condinst.tiny import box_supervised, empty_image, objects, tiny_model, two_images

BOX_LOSSES = {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_prj", "loss_pairwise"}


def mask_supervised() -> CondInst:
    return tiny_model([MaskSupervision()])


def values(terms: LossTerms) -> dict[str, float]:
    return {name: loss.item() for name, loss in (terms.losses | terms.diagnostics).items()}


def without_a_trace(model: CondInst, batch: list[dict[str, Any]]) -> dict[str, float]:
    """Losses of a copy: batch statistics of the one call do not reach the next."""
    return values(copy.deepcopy(model).train()(batch, 1))


def test_no_training_mask_reaches_a_box_supervised_loss() -> None:
    model = box_supervised()
    with_true_masks, with_noise, without = (two_images(m) for m in (True, True, False))
    for x in with_noise:
        masks = x["instances"].gt_masks.tensor
        x["instances"].gt_masks = BitMasks(torch.rand(masks.shape) < 0.5)
    losses = without_a_trace(model, without)
    assert losses.keys() == BOX_LOSSES | {"pairwise_raw", "pairwise_warmup"}
    # To the last digit.
    assert without_a_trace(model, with_true_masks) == losses
    assert without_a_trace(model, with_noise) == losses


def test_masks_do_reach_the_mask_supervised_losses() -> None:
    """The test above would fail where masks are at work."""
    model = mask_supervised()
    shifted = two_images(True)
    for x in shifted:
        x["instances"].gt_masks = BitMasks(x["instances"].gt_masks.tensor.roll(9, dims=2))
    before, after = without_a_trace(model, two_images(True)), without_a_trace(model, shifted)
    assert before.keys() == {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_mask"}
    assert before["loss_mask"] != after["loss_mask"]
    assert before["loss_fcos_cls"] != after["loss_fcos_cls"]  # sampled around mask centroids


def test_mask_supervision_needs_masks() -> None:
    with pytest.raises(InputError, match="load_masks=true"):
        mask_supervised().train()(two_images(False), 1)


def test_semantic_loss_joins_the_others() -> None:
    model = tiny_model([MaskSupervision()], semantic=True)
    loss = model.train()(two_images(True), 1).losses["loss_sem"]
    loss.backward()
    assert model.semantic_head is not None
    assert model.semantic_head.logits.weight.grad is not None
    assert model.semantic_head.logits.weight.grad.any()


@pytest.mark.parametrize(
    ("build", "with_masks"), [(box_supervised, False), (mask_supervised, True)]
)
def test_training_lowers_every_loss_on_a_fixed_batch(build: Any, with_masks: bool) -> None:
    model = build().train()
    batch = two_images(with_masks)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    history: list[dict[str, float]] = []
    for _ in range(8):
        losses = model(batch, 1).losses
        history.append({name: loss.item() for name, loss in losses.items()})
        optimiser.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
    first, last = history[0], history[-1]
    assert sum(last.values()) < 0.75 * sum(first.values()), history
    mask_term = "loss_mask" if with_masks else "loss_prj"
    assert last[mask_term] < first[mask_term]


@pytest.mark.parametrize(
    ("build", "with_masks"), [(box_supervised, False), (mask_supervised, True)]
)
def test_every_parameter_learns(build: Any, with_masks: bool) -> None:
    model = build().train()
    sum(model(two_images(with_masks), 1).losses.values()).backward()
    without = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.isfinite().all())
    ]
    assert without == []


@pytest.mark.parametrize(
    ("build", "with_masks"), [(box_supervised, False), (mask_supervised, True)]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_empty_image_in_a_training_batch(build: Any, with_masks: bool, place: int) -> None:
    batch = two_images(with_masks)
    batch.insert(place, empty_image(with_masks))
    model = build().train()
    losses = model(batch, 1).losses
    assert all(loss.isfinite() for loss in losses.values())
    # The mask loss is the other images' own: objects are counted past the empty image.
    sum(losses.values()).backward()
    assert model.controller.weight.grad is not None
    assert model.controller.weight.grad.any()


def test_empty_images_only() -> None:
    for model, with_masks in ((box_supervised(), False), (mask_supervised(), True)):
        losses = model.train()([empty_image(with_masks)] * 2, 1).losses
        assert losses["loss_fcos_cls"].item() > 0
        assert {v.item() for k, v in losses.items() if k != "loss_fcos_cls"} == {0}
        sum(losses.values()).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_an_empty_image_takes_no_object_from_the_others() -> None:
    """Losses of a network without batch statistics, with and without an empty image in front."""
    model = box_supervised()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    model.training = True
    alone = model(two_images(False), 1).losses
    among = model([empty_image(False), *two_images(False)], 1).losses
    for name in BOX_LOSSES - {"loss_fcos_cls"}:
        assert among[name].item() == pytest.approx(alone[name].item(), rel=1e-5)


def test_training_needs_the_iteration() -> None:
    with pytest.raises(ValueError, match="iteration"):
        box_supervised().train()(two_images(False))


def gradients(model: CondInst) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize(
    ("build", "with_masks"), [(box_supervised, False), (mask_supervised, True)]
)
def test_bfloat16_autocast_trains_close_to_float32(build: Any, with_masks: bool) -> None:
    model = build().train()
    twin = copy.deepcopy(model)
    batch = two_images(with_masks)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(batch, 1).losses
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    exact = twin(batch, 1).losses
    sum(exact.values()).backward()
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(exact[name].item(), rel=0.05), name
    low, high = gradients(model), gradients(twin)
    assert low.isfinite().all()
    assert F.cosine_similarity(low, high, dim=0) > 0.9


def test_float64_model_computes_the_float32_losses() -> None:
    """A model moved to another precision stays consistent, head and buffers included."""
    model = box_supervised()
    expected = without_a_trace(model, two_images(False))
    double = copy.deepcopy(model).double().train()
    terms = double(two_images(False), 1)
    assert values(terms) == pytest.approx(expected, rel=1e-3)
    sum(terms.losses.values()).backward()
    assert gradients(double).isfinite().all()


def test_inputs_are_left_as_they_are() -> None:
    batch = two_images(True)
    before = copy.deepcopy(batch)
    box_supervised().train()(batch, 1)
    box_supervised().eval()(batch)
    for x, y in zip(batch, before, strict=True):
        assert torch.equal(x["image"], y["image"])
        assert torch.equal(x["instances"].gt_boxes.tensor, y["instances"].gt_boxes.tensor)
        assert torch.equal(x["instances"].gt_masks.tensor, y["instances"].gt_masks.tensor)


def test_byte_images_give_the_same_losses() -> None:
    model = box_supervised()
    as_bytes = [x | {"image": x["image"].to(torch.uint8)} for x in two_images(False)]
    assert without_a_trace(model, as_bytes) == without_a_trace(model, two_images(False))


def test_boxes_reach_every_loss() -> None:
    model = box_supervised()
    moved = two_images(False)
    moved[0]["instances"] = objects([[8, 10, 34, 38], [28, 36, 60, 62]], [0, 2])
    before, after = without_a_trace(model, two_images(False)), without_a_trace(model, moved)
    assert all(before[name] != after[name] for name in BOX_LOSSES)
