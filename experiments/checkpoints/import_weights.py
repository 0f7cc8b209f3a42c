"""Published checkpoints turned into ones that `boxseg evaluate` and `boxseg train` take."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from boxseg.engine.checkpoint import checkpoint_content, write_checkpoint
from boxseg.errors import InputError
from boxseg.files import atomic_path
from boxseg.weights.architecture import SegmenterArchitecture
from boxseg.weights.backbone import bottom_up_weights, is_backbone
from boxseg.weights.layouts import Differences, SortedTensors, recognised
from boxseg.weights.names import Layout
from boxseg.weights.read import read_weights
from experiments.checkpoints.published_configuration import published_configuration
from experiments.configuration.build import build

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
    if target.resolve() == file.resolve():
        raise InputError(f"{target} is the file to import; write to another one.")
    if target.name == "checkpoint.pt" and (target.parent / "config.yaml").exists():
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
    config = published_configuration(layout, architecture, content.idle, words)
    segmenter: nn.Module = build(config.segmenter, config.packages)
    wanted = segmenter.state_dict()
    for name, found in content.networks.items():
        names = {ours: layout.published(name, ours) for ours in [*wanted, *found]}
        differences.compare(found, wanted, names)
    if differences:
        raise differences.error(file, title)
    segmenter.load_state_dict(content.networks[network])
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    origin = f"# {network} of {file.name}, sha256 {digest}, in {layout.title}'s layout\n"
    text = origin + config.as_yaml()
    write_checkpoint(target, checkpoint_content(segmenter, 0, NO_RUN, 0.0, config_yaml=text))
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
