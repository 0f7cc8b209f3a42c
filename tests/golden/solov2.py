"""Our SOLOv2 as the sidecars of the released CNN heads configure it, with the recipe's weights."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from baselines.rounded_boxes import rounded_box_centers
from baselines.solov2 import (
    CandidateSelection,
    CentralCells,
    LastObjectsCells,
    MaskFeatures,
    SOLOv2,
    SOLOv2Head,
)
from baselines.solov2.matrix_nms import gaussian_decay
from tests.golden.files import Golden

LEVELS = ("p2", "p3", "p4", "p5", "p6")
FEATURE_STRIDE = 4


class GivenPyramid(nn.Module):
    """The stored features in the place of a backbone; as many as the batch has images."""

    size_divisibility = 32

    def __init__(self, golden: Golden) -> None:
        super().__init__()
        self.pyramid = {level: golden.tensor(f"in_{level}").float() for level in LEVELS}
        self.images = slice(None)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {name: maps[self.images] for name, maps in self.pyramid.items()}


def bilinear(maps: Tensor, factor: int) -> Tensor:
    """The released heads' enlargement: corners not aligned."""
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def box2mask_c(golden: Golden) -> SOLOv2:
    """Box2Mask-C's segmenter."""
    config = golden.meta["config"]
    channels = config["channels"]
    return _model(
        golden,
        SOLOv2Head(
            channels,
            channels,
            channels,
            config["classes"],
            config["num_grids"],
            config["stacked_convs"],
            kernel_size=1,
        ),
        MaskFeatures(channels, channels, channels, 4, normalise=False),
        LastObjectsCells(
            config["num_grids"], config["scale_ranges"], config["classes"], config["sigma"]
        ),
        [stride // 2 for stride in config["strides"]],
    )


def discobox(golden: Golden) -> SOLOv2:
    """DiscoBox's segmenter."""
    config = golden.meta["config"]
    return _model(
        golden,
        SOLOv2Head(
            config["in_channels"],
            config["tower_channels"],
            config["kernel_channels"],
            config["classes"],
            config["num_grids"],
            config["stacked_convs"],
        ),
        MaskFeatures(config["in_channels"], config["mask_hidden"], config["kernel_channels"], 4),
        CentralCells(
            config["num_grids"], config["scale_ranges"], config["classes"], config["sigma"]
        ),
        [FEATURE_STRIDE] * len(LEVELS),
    )


def _model(
    golden: Golden,
    head: SOLOv2Head,
    mask_branch: MaskFeatures,
    assign: CentralCells,
    mask_strides: list[int],
) -> SOLOv2:
    config = golden.meta["config"]
    test = config["test"]
    # In the release a mask has to have more cells of the mask features than the level's stride.
    areas = [stride * FEATURE_STRIDE**2 for stride in config["strides"]]
    model = SOLOv2(
        GivenPyramid(golden),  # type: ignore[arg-type]
        LEVELS,
        LEVELS[:4],
        head,
        mask_branch,
        assign,
        CandidateSelection(
            config["num_grids"],
            areas,
            score_threshold=test["score_thr"],
            mask_threshold=test["mask_thr"],
            pre_nms_top_k=test.get("nms_pre", 500),
            decay=gaussian_decay(test["sigma"]),
            kept_threshold=test["filter_thr"],
            max_detections=test["max_per_img"],
        ),
        rounded_box_centers,
        FEATURE_STRIDE,
        mask_strides,
        {},
        config["mean"],
        config["std"],
        upsample=bilinear,
    )
    apply_recipe(model, config["kernel_scale"])
    return model


def released_names(model: SOLOv2) -> dict[str, str]:
    """Our names of the parameters, and the released ones."""
    separate = isinstance(model.mask_branch.merged, nn.Sequential)  # a branch beside the head
    levels = "mask_feat_head.convs_all_levels" if separate else "feature_convs"
    number, layer = r"(\d+)", ("conv", "gn")
    rules: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (f"head.class_tower.{number}.{number}", lambda m: f"cate_convs.{m[1]}.{layer[int(m[2])]}"),
        (
            f"head.kernel_tower.{number}.{number}",
            lambda m: f"kernel_convs.{m[1]}.{layer[int(m[2])]}",
        ),
        ("head.classes", lambda m: "solo_cate"),
        ("head.kernels", lambda m: "solo_kernel"),
        (
            f"mask_branch.levels.{number}.{number}.{number}",
            lambda m: f"{levels}.{m[1]}.conv{int(m[2]) // 2}.{layer[int(m[3])]}",
        ),
        (
            f"mask_branch.merged.{number}",
            lambda m: f"mask_feat_head.conv_pred.0.{layer[int(m[1])]}",
        ),
        ("mask_branch.merged", lambda m: "solo_mask"),
        ("mask_losses.level_set.guide", lambda m: "levelset_bottom"),
    ]
    names = {}
    for ours, _ in model.named_parameters():
        name = ours
        for pattern, released in rules:
            name = re.sub(f"^{pattern}(?=\\.)", released, name)
        names[ours] = name
    return names


def recipe_value(
    name: str, shape: tuple[int, ...], kernel_scale: float, prefix: str = ""
) -> Tensor:
    """The recipe's value for a released name, with a prefix that it is drawn for."""
    noise = np.random.default_rng(zlib.crc32((prefix + name).encode())).standard_normal(shape)
    if name == "solo_cate.bias":
        noise = np.full(shape, -2.0)
    elif name.endswith("bias"):
        noise = 0.01 * noise
    elif len(shape) == 1:
        noise = 1 + 0.1 * noise
    else:
        noise = noise * np.sqrt(2 / np.prod(shape[1:]))
    if name == "solo_kernel.weight":
        noise = noise * kernel_scale
    return torch.from_numpy(noise.astype(np.float32))


def apply_recipe(model: SOLOv2, kernel_scale: float, prefix: str = "") -> None:
    """Give every parameter its recipe value; a teacher's are drawn for names with a prefix."""
    names = released_names(model)
    with torch.no_grad():
        for ours, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            parameter.copy_(recipe_value(names[ours], shape, kernel_scale, prefix))


def objects_of(golden: Golden) -> list[Instances]:
    """The objects of the file's images."""
    objects = []
    for index, size in enumerate(golden.meta["config"]["sizes"]):
        one = Instances(tuple(size))
        one.gt_boxes = Boxes(golden.tensor(f"in{index}_boxes"))
        one.gt_classes = golden.tensor(f"in{index}_labels").long()
        objects.append(one)
    return objects


def batch_of(golden: Golden) -> list[dict[str, Any]]:
    """The images of the file with their objects, in the model's input format."""
    batch = []
    for index, objects in enumerate(objects_of(golden)):
        height, width = golden.arrays[f"in{index}_hw_orig"].tolist()
        image = golden.tensor(f"in{index}_image")
        batch.append({"image": image, "height": height, "width": width, "instances": objects})
    return batch
