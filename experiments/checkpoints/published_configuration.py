"""The configuration that a published checkpoint is evaluated with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import Tensor

from boxseg.errors import InputError
from boxseg.weights.architecture import SegmenterArchitecture
from boxseg.weights.names import BOXSEG, BOXTEACHER, SIM, Layout
from experiments.configuration.choices import refuse_unknown
from experiments.configuration.compose import compose, composed
from experiments.configuration.run_configuration import RunConfiguration

METHODS = {
    BOXTEACHER.title: "boxteacher",
    BOXSEG.title: "boxseg-released",
    SIM.title: "sim",
}
"""Methods whose segmenter scores detections as the published code does; see `_usual_method`."""

STRIDE_IN_3X3 = (BOXTEACHER.title, BOXSEG.title)
"""Methods whose deformable backbones have the stride in the 3x3 convolution; no tensor tells."""

CONDINST = "boxseg.condinst.CondInst"
CONDINST_FEATURES = 8
"""Mask features of CondInst as published; BoxInst and its successors have 16."""


def published_configuration(
    layout: Layout,
    architecture: SegmenterArchitecture,
    idle: Mapping[str, Tensor],
    words: Sequence[str],
) -> RunConfiguration:
    """The configuration of a published network for inference.

    What the tensors tell is theirs, what the words say is the user's, and the rest is the paper's.

    Args:
        layout: of the checkpoint.
        architecture: of its network.
        idle: its tensors that no prediction needs.
        words: KEY=VALUE words of the user.

    Raises:
        InputError: a word is wrong, or chooses something that fits no published network.
    """
    usual = {
        "method": _usual_method(layout, architecture),
        "scale": "paper",
        "dataset": "coco",
        "solver.precision": "float32",  # as the published numbers were made
    }
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if given.get("scale", "paper") != "paper":
        raise InputError(
            f"scale {given['scale']} has another pyramid than published checkpoints; leave scale= "
            "out."
        )
    chosen = [f"{key}={value}" for key, value in usual.items() if key not in given]
    told = _words(architecture)
    if layout.title in STRIDE_IN_3X3 and architecture.backbone.deformable_stages:
        told.append("segmenter.backbone.bottom_up.stride_in_1x1=false")
    told += [
        f"segmenter.mask_head.level_scales={tensor.tolist()}"
        for name, tensor in idle.items()
        if name.endswith("mask_head.sizes_of_interest")
    ]
    method = given.get("method", usual["method"])
    refuse_unknown("method", method)
    if composed((f"method={method}",)).segmenter.get("_target_") != CONDINST:
        raise InputError(
            f"method {method} has another segmenter than {layout.title}; choose {usual['method']}."
        )
    config = compose([*chosen, *told, *words])
    return config.changed(model=config.segmenter)  # the network that predicts, alone


def _usual_method(layout: Layout, architecture: SegmenterArchitecture) -> str:
    plain = "condinst" if architecture.mask_features == CONDINST_FEATURES else "boxinst"
    return METHODS.get(layout.title, plain)


def _words(architecture: SegmenterArchitecture) -> list[str]:
    """What the tensors tell, as words of the configuration."""
    words = [
        f"dataset.num_classes={architecture.num_classes}",
        f"scale.segmenter.channels={architecture.channels}",
        f"scale.segmenter.mask_channels={architecture.mask_channels}",
        f"scale.segmenter.mask_convs={architecture.mask_convs}",
        f"segmenter.detector.head.cls_convs={architecture.cls_convs}",
        f"segmenter.detector.head.box_convs={architecture.box_convs}",
        f"segmenter.mask_branch.out_channels={architecture.mask_features}",
    ]
    for key, value in asdict(architecture.backbone).items():
        text = list(value) if isinstance(value, tuple) else value
        words.append(f"segmenter.backbone.bottom_up.{key}={text}")
    if architecture.semantic:
        words.append(
            "segmenter.semantic_head={_target_: boxseg.condinst.semantic_head.SemanticHead, "
            f"in_feature: p3, in_channels: {architecture.channels}, "
            f"channels: {architecture.mask_channels}, num_classes: {architecture.num_classes}, "
            "stride: 8}"
        )
    return words
