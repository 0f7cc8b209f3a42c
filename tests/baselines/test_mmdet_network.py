"""A network that is mmdet's from the first convolution on, against the suite's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")

from baselines.mmdet_samples import network_input
from tests.baselines.mmdet_models import blocks, image_with, losses, pair
from tests.baselines.mmdet_weights import TERMS

BOXES = [[4.0, 6.5, 30.0, 34.0], [28.3, 26.0, 60.0, 58.0]]


def resnet_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Detectron2's names of a ResNet's tensors as mmdet's."""
    renamed = {}
    for name, tensor in state.items():
        block, kind, rest = (
            ("", *name.removeprefix("stem.").split(".", 1))
            if name.startswith("stem.")
            else (
                f"layer{int(name[3]) - 1}.{name.split('.')[1]}.",
                *name.split(".", 2)[2].split(".", 1),
            )
        )
        norm = rest.startswith("norm.")
        rest = rest.removeprefix("norm.")
        if kind == "shortcut":
            place = f"downsample.{int(norm)}"
        else:
            place = f"bn{kind[-1]}" if norm else kind
        renamed[f"{block}{place}.{rest}"] = tensor
    return renamed


def pyramid_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Detectron2's names of a pyramid's tensors as mmdet's, without those of its bottom-up net."""
    kinds = {"fpn_lateral": "lateral_convs", "fpn_output": "fpn_convs"}
    return {
        f"{kinds[name[:-1]]}.{int(name[-1]) - 2}.conv.{rest}": tensor
        for name, rest, tensor in ((*key.split(".", 1), value) for key, value in state.items())
        if name[:-1] in kinds
    }


def mmdets_own(backbone: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The smoke scale's ResNet-18 and pyramid as mmdet builds them, with the same weights."""
    from mmdet.models.backbones import ResNet
    from mmdet.models.necks import FPN

    resnet = ResNet(
        depth=18,
        stem_channels=8,
        base_channels=16,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        norm_eval=False,
    )
    neck = FPN(in_channels=[16, 32, 64], out_channels=32, num_outs=3)
    state = backbone.state_dict()
    bottom_up = {
        name.removeprefix("bottom_up."): tensor
        for name, tensor in state.items()
        if name.startswith("bottom_up.")
    }
    resnet.load_state_dict(resnet_names(bottom_up))
    neck.load_state_dict(pyramid_names(state))
    resnet.train()  # returns nothing in mmdet
    return resnet, neck.train()


def test_same_losses_from_the_first_convolution_on() -> None:
    ours, adapter = pair()
    batch = [image_with(blocks(range(90, 130)), BOXES), image_with(blocks([7, 90, 255]), BOXES[:1])]
    inputs, samples = network_input(adapter.detector, [x["image"] for x in batch], batch)
    wanted = losses(ours, batch)
    losses(adapter, batch)  # tells mmdet's warm-up the iteration
    whole = adapter.detector
    whole.backbone, whole.neck = mmdets_own(ours.backbone)
    assert not any("detectron2" in type(m).__module__ for m in whole.modules())
    torch.manual_seed(0)
    found = whole.loss(inputs, samples)
    for ours_name, name in TERMS.items():
        if ours_name != "loss_fcos_loc":  # test_mmdet_parity.py shows the difference of this one
            assert found[name].item() == pytest.approx(wanted[ours_name], rel=1e-4), name
