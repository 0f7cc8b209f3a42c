"""Published checkpoints turned into ones that `boxseg evaluate` and `boxseg train` take."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from boxseg.engine.checkpoint import save_checkpoint
from boxseg.errors import InputError
from boxseg.files import atomic_path
from boxseg.weights.architecture import SegmenterArchitecture
from boxseg.weights.backbone import bottom_up_weights, is_backbone
from boxseg.weights.layouts import Differences, SortedTensors, recognised
from boxseg.weights.names import ADELAIDET, BOXSEG, BOXTEACHER, SIM, Layout
from boxseg.weights.read import read_weights
from experiments.components import build
from experiments.compose import as_yaml, compose, refuse_unknown

METHODS = {
    BOXTEACHER.title: "boxteacher",
    BOXSEG.title: "boxteacher",  # as released, its detections are scored as BoxTeacher's are
    SIM.title: "sim",
}
"""Methods whose segmenter scores detections as the published code does; see `_usual_method`."""

CONDINST = "boxseg.condinst.CondInst"
CONDINST_FEATURES = 8
"""Mask features of CondInst as published; BoxInst and its successors have 16."""

NO_RUN = "imported"
"""In the place of a configuration's hash: no run goes on from an imported checkpoint."""


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        target: the file written.
        sentences: about it, for the user.
    """

    target: Path
    sentences: tuple[str, ...]


def import_weights(
    file: Path,
    out: Path,
    words: Sequence[str] = (),
    network: str | None = None,
    ignored: Sequence[str] = (),
) -> Imported:
    """Convert a published checkpoint or backbone.

    Args:
        file: of PyTorch's or of pickled arrays.
        out: file to write, or a folder for `checkpoint.pt`.
        words: KEY=VALUE words of the configuration that the checkpoint is evaluated with.
        network: which of a checkpoint's networks; by default the one its code predicts with.
        ignored: names or patterns (`*`) of tensors to leave out, or to do without.

    Raises:
        InputError: the file cannot be read safely, a tensor is missing or left over, or the words
            are wrong.
    """
    tensors = {name: t for name, t in read_weights(file).items() if not _matches(name, ignored)}
    target = out / "checkpoint.pt" if out.is_dir() else out
    if (target.parent / "config.yaml").exists():
        raise InputError(f"{target.parent} is the directory of a run; import to another place.")
    if is_backbone(tensors):
        if words or network:
            raise InputError(
                f"{file} is a backbone alone, for which {network or words[0]} means nothing; "
                "leave it out."
            )
        return Imported(target, _import_backbone(tensors, file, target))
    layout = recognised(tensors, file)
    network = network or layout.inference
    if network not in layout.networks:
        raise InputError(
            f"{layout.title}'s checkpoints have no network {network!r}; choose one of "
            f"{', '.join(layout.networks)}."
        )
    sentences = _import_segmenter(tensors, layout, network, file, target, words, ignored)
    return Imported(target, sentences)


def _import_backbone(tensors: dict[str, Tensor], file: Path, target: Path) -> tuple[str, ...]:
    architecture, state = bottom_up_weights(tensors, file)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic_path(target) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    return (
        f"{file.name}: ResNet-{architecture.depth}, {len(tensors)} tensors",
        f"start from it with initial_weights={target}",
    )


def _import_segmenter(
    tensors: dict[str, Tensor],
    layout: Layout,
    network: str,
    file: Path,
    target: Path,
    words: Sequence[str],
    ignored: Sequence[str],
) -> tuple[str, ...]:
    content = SortedTensors.of(tensors, layout)
    differences = Differences(left_over=content.strange)
    differences.missing += [
        name for name in layout.idle if name not in content.idle and not _matches(name, ignored)
    ]
    title = f"{layout.title}'s checkpoints"
    try:
        architecture = SegmenterArchitecture.of(content.networks[network])
    except KeyError as absent:
        differences.missing.append(layout.published(network, absent.args[0]))
        raise differences.error(file, title) from None
    config = _configuration(layout, architecture, content.idle, words)
    segmenter: nn.Module = build(config.segmenter)
    wanted = segmenter.state_dict()
    for name, found in content.networks.items():
        names = {ours: layout.published(name, ours) for ours in [*wanted, *found]}
        differences.compare(found, wanted, names)
    if differences:
        raise differences.error(file, title)
    segmenter.load_state_dict(content.networks[network])
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    origin = f"# {network} of {file.name}, sha256 {digest}, in {layout.title}'s layout\n"
    save_checkpoint(target, segmenter, 0, NO_RUN, 0.0, config_yaml=origin + as_yaml(config))
    others = [f"{len(found)} of {name}" for name, found in content.networks.items()]
    return (
        f"{file.name}: {layout.title}, {_described(architecture)}; method={config.method}",
        f"{len(tensors)} tensors: {', '.join(others)}, {len(content.idle)} that no prediction "
        f"needs; taken: those of {network}",
        f"evaluate it with `boxseg evaluate {target} --dataset NAME --root DIR`",
    )


def _described(architecture: SegmenterArchitecture) -> str:
    deformable = " with deformable convolutions" if architecture.backbone.deformable_stages else ""
    return (
        f"ResNet-{architecture.backbone.depth}{deformable}, {architecture.channels} channels, "
        f"{architecture.num_classes} classes, {architecture.mask_features} mask features"
    )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _usual_method(layout: Layout, architecture: SegmenterArchitecture) -> str:
    plain = "condinst" if architecture.mask_features == CONDINST_FEATURES else "boxinst"
    return METHODS.get(layout.title, plain)


def _configuration(
    layout: Layout,
    architecture: SegmenterArchitecture,
    idle: Mapping[str, Tensor],
    words: Sequence[str],
) -> DictConfig:
    """The configuration of the network for inference: the file's, the user's, or the paper's."""
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
    told = _words(architecture) + [
        f"segmenter.mask_head.level_scales={tensor.tolist()}"
        for name, tensor in idle.items()
        if name.endswith("mask_head.sizes_of_interest")
    ]
    method = given.get("method", usual["method"])
    refuse_unknown("method", method)
    if compose([f"method={method}"]).segmenter.get("_target_") != CONDINST:
        raise InputError(
            f"method {method} has another segmenter than {layout.title}; choose "
            f"{usual['method']}."
        )
    config = compose([*chosen, *told, *words])
    config.model = config.segmenter  # the network that predicts, alone
    return config


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
