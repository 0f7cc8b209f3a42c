"""The weights of the suite's BoxInst under mmdet's names, so that both can be compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.mmdet_boxinst import MMDetBoxInst
from boxseg.condinst import CondInst
from boxseg.condinst.dynamic_mask_head import HIDDEN

TERMS = {
    "loss_fcos_cls": "loss_cls",
    "loss_fcos_loc": "loss_bbox",
    "loss_fcos_ctr": "loss_centerness",
    "loss_prj": "loss_mask_project",
    "loss_pairwise": "loss_mask_pairwise",
}
"""The suite's names of the loss terms, and mmdet's."""


def load_into_mmdet(ours: CondInst, theirs: MMDetBoxInst) -> None:
    """Give mmdet's BoxInst the weights of the suite's.

    Args:
        ours: of the same sizes.
        theirs: changed in place; its mask features may not be fewer than the suite's 8 hidden
            channels.

    Raises:
        ValueError: the two differ in their sizes.
    """
    state = mmdet_state(ours)
    own = theirs.detector.state_dict()
    names = set(state) ^ set(own)
    shapes = {name for name in set(state) & set(own) if state[name].shape != own[name].shape}
    if names or shapes:
        raise ValueError(f"the two models differ in {min(names | shapes)}")
    theirs.detector.load_state_dict(state)


def mmdet_state(ours: CondInst) -> dict[str, Tensor]:
    """The suite's weights under mmdet's names (of `MMDetBoxInst.detector`)."""
    head = ours.detector.head
    assert head.ctrness is not None
    state = _under("backbone.pyramid", ours.backbone)
    for name, tower in (("cls_convs", head.cls_tower), ("reg_convs", head.bbox_tower)):
        for index in range(0, len(tower), 3):  # convolution, normalisation, ReLU
            place = f"bbox_head.{name}.{index // 3}"
            state |= _under(f"{place}.conv", tower[index]) | _under(f"{place}.gn", tower[index + 1])
    state |= _under("bbox_head.conv_cls", head.cls_logits)
    state |= _under("bbox_head.conv_reg", head.bbox_pred)
    state |= _under("bbox_head.conv_centerness", head.ctrness)
    for index, scale in enumerate(head.scales):
        state[f"bbox_head.scales.{index}.scale"] = scale.state_dict()["scale"].squeeze()
    branch, place = ours.mask_branch, "mask_head.mask_feature_head"
    first = 0
    for index, block in enumerate(branch.refine):
        at = f"{place}.convs_all_levels.{index}.conv{first + index}"
        state |= _under(f"{at}.conv", block.get_submodule("0"))
        state |= _under(f"{at}.bn", block.get_submodule("1"))
    *blocks, last = branch.tower
    for index, block in enumerate(blocks):
        at = f"{place}.conv_branch.{index}"
        state |= _under(f"{at}.conv", block.get_submodule("0"))
        state |= _under(f"{at}.bn", block.get_submodule("1"))
    state |= _under(f"{place}.conv_pred", last)
    for name, tensor in ours.controller.state_dict().items():
        state[f"bbox_head.controller.{name}"] = widened(tensor, branch.out_channels)
    return state


def _under(place: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{place}.{name}": tensor for name, tensor in module.state_dict().items()}


def widened(parameters: Tensor, width: int) -> Tensor:
    """Parameters of mask heads with 8 hidden channels as those of heads with `width`.

    The channels added have no weights in or out, so they compute 0 and change nothing.

    Args:
        parameters: (P, ...), those of the dynamic mask head first.
        width: of mmdet's layers, which is also the number of mask features; at least 8.
    """
    shapes = ((width, width + 2), (width, width), (1, width), (width,), (width,), (1,))
    sizes = [torch.Size(shape).numel() for shape in shapes]
    w1, w2, w3, b1, b2, b3 = (
        part.reshape(shape)
        for part, shape in zip(torch.arange(sum(sizes)).split(sizes), shapes, strict=True)
    )
    kept = (w1[:HIDDEN], w2[:HIDDEN, :HIDDEN], w3[:, :HIDDEN], b1[:HIDDEN], b2[:HIDDEN], b3)
    wide = parameters.new_zeros(sum(sizes), *parameters.shape[1:])
    wide[torch.cat([part.flatten() for part in kept])] = parameters
    return wide
