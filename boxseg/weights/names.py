"""The names that tensors have in published checkpoints, and ours: one table for both directions.

`{}` stands for any text, the same on both sides. The first pair that fits a name holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[str, str]

SEGMENTER: tuple[Pair, ...] = (
    # AdelaiDet, and everything built on it                 this suite
    ("backbone.bottom_up.{}.conv2_offset.{}", "backbone.bottom_up.{}.conv2.offset.{}"),
    ("backbone.{}", "backbone.{}"),
    ("proposal_generator.fcos_head.{}", "detector.head.{}"),
    ("mask_branch.seg_head.{}", "semantic_head.seg_head.{}"),
    ("mask_branch.logits.{}", "semantic_head.logits.{}"),
    ("mask_branch.{}", "mask_branch.{}"),
    ("controller.{}", "controller.{}"),
)

DETECTRON2_BACKBONE: tuple[Pair, ...] = (
    # Detectron2                                            this suite
    ("stem.conv1.{}", "stem.conv1.{}"),
    ("res{}.{}.{}", "res{}.{}.{}"),
)

DETECTRON_BACKBONE: tuple[Pair, ...] = (
    # Detectron and Caffe2, which MSRA's backbones are in   this suite
    ("conv1_w", "stem.conv1.weight"),
    ("res_conv1_bn_s", "stem.conv1.norm.weight"),
    ("res_conv1_bn_b", "stem.conv1.norm.bias"),
    ("res{}_{}_branch1_w", "res{}.{}.shortcut.weight"),
    ("res{}_{}_branch1_bn_s", "res{}.{}.shortcut.norm.weight"),
    ("res{}_{}_branch1_bn_b", "res{}.{}.shortcut.norm.bias"),
    ("res{}_{}_branch2a_w", "res{}.{}.conv1.weight"),
    ("res{}_{}_branch2a_bn_s", "res{}.{}.conv1.norm.weight"),
    ("res{}_{}_branch2a_bn_b", "res{}.{}.conv1.norm.bias"),
    ("res{}_{}_branch2b_w", "res{}.{}.conv2.weight"),
    ("res{}_{}_branch2b_bn_s", "res{}.{}.conv2.norm.weight"),
    ("res{}_{}_branch2b_bn_b", "res{}.{}.conv2.norm.bias"),
    ("res{}_{}_branch2c_w", "res{}.{}.conv3.weight"),
    ("res{}_{}_branch2c_bn_s", "res{}.{}.conv3.norm.weight"),
    ("res{}_{}_branch2c_bn_b", "res{}.{}.conv3.norm.bias"),
)

BACKBONE_UNUSED = (
    "conv1_b",  # normalised away; Detectron2 leaves it out too
    "stem.conv1.bias",
    "fc1000_w",  # ImageNet's classifier
    "fc1000_b",
    "fc1000.weight",
    "fc1000.bias",
    "stem.fc.weight",
    "stem.fc.bias",
)
"""Tensors that a published backbone may have beyond what features need."""


@dataclass(frozen=True)
class Layout:
    """What a published code's checkpoint holds.

    Attributes:
        title: the code's name.
        networks: by name, the prefixes of its tensors and what stands for each in `SEGMENTER`. A
            tensor belongs to the first network that has a prefix of its name.
        inference: the network that the published code predicts with.
        idle: all that there is beside the networks: nothing that a prediction needs.
    """

    title: str
    networks: Mapping[str, Mapping[str, str]]
    inference: str
    idle: tuple[str, ...]

    def place(self, name: str) -> tuple[str, str] | None:
        """The network that a tensor belongs to and our name of it, or None for no network's."""
        for network, prefixes in self.networks.items():
            for prefix, meaning in prefixes.items():
                ours = translated(meaning + name.removeprefix(prefix), SEGMENTER)
                if name.startswith(prefix) and ours is not None:
                    return network, ours
        return None

    def published(self, network: str, ours: str) -> str:
        """The name in the checkpoint of one of our tensors of a network."""
        name = published_name(ours)
        for prefix, meaning in self.networks[network].items():
            if name.startswith(meaning):
                return prefix + name.removeprefix(meaning)
        return name


_TEACHER_AND_STUDENT = {"teacher": {"teacher.": ""}, "student": {"student.": ""}}
_MASK_HEADS = tuple(
    f"{network}.mask_head.{buffer}"
    for network in _TEACHER_AND_STUDENT
    for buffer in ("_iter", "sizes_of_interest")
)

ADELAIDET = Layout(
    "AdelaiDet", {"model": {"": ""}}, "model", ("mask_head._iter", "mask_head.sizes_of_interest")
)
BOXTEACHER = Layout("BoxTeacher", _TEACHER_AND_STUDENT, "teacher", _MASK_HEADS)
BOXSEG = Layout(
    "BoxSeg",
    _TEACHER_AND_STUDENT,
    "teacher",
    (*_MASK_HEADS, "teacher.mask_head.prototypes", "student.mask_head.prototypes", "_iter"),
)
SIM = Layout(
    "SIM",
    {
        "ema": {
            "backbone_ema.": "backbone.",
            "proposal_generator_ema.": "proposal_generator.",
            "mask_branch_ema.": "mask_branch.",
            "controller_ema.": "controller.",
        },
        "student": {"": ""},
    },
    "student",
    ("mask_head.prototypes", "mask_head.sizes_of_interest", "_iter"),
)
LAYOUTS = (ADELAIDET, BOXTEACHER, BOXSEG, SIM)


def translated(name: str, pairs: Sequence[Pair]) -> str | None:
    """The right-hand name of a left-hand one, or None where no pair fits."""
    for left, right in pairs:
        found = re.fullmatch("(.+)".join(map(re.escape, left.split("{}"))), name)
        if found:
            return right.format(*found.groups())
    return None


def published_name(ours: str) -> str:
    """AdelaiDet's name of one of our segmenter's tensors.

    Raises:
        KeyError: no published segmenter has such a tensor.
    """
    name = translated(ours, [(right, left) for left, right in SEGMENTER])
    if name is None:
        raise KeyError(ours)
    return name
