"""One training step of a method on random images, in a named setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from detectron2.structures import BoxMode
from pycocotools import mask as run_length

from boxseg.engine.precision import autocast
from experiments.configuration.build import build
from experiments.configuration.compose import compose

#: The published code's timing setting (ResNet-18, 64-channel pyramid, two convolutions a tower),
#: the mini scale, and the paper's network.
SETTINGS = {
    "r18": [
        "scale=paper",
        "dataset=scenes",
        "model_depth=18",
        "scale.segmenter.channels=64",
        "scale.segmenter.mask_channels=64",
        "scale.segmenter.tower_convs=2",
        "scale.segmenter.mask_convs=2",
    ],
    "mini": ["scale=mini", "dataset=scenes"],
    "r50": ["scale=paper", "dataset=scenes"],
}
CLASSES, OBJECTS = 5, 6
LONG_AFTER_WARMUP = 10**6


def overrides_of(setting: str, method: str, size: int) -> list[str]:
    """Command-line words that compose a method's configuration in a setting."""
    words = [
        *SETTINGS[setting],
        f"method={method}",
        f"dataset.num_classes={CLASSES}",
        f"images.short_sides=[{size}]",
        f"images.max_side={size}",
        f"images.test_short_side={size}",
    ]
    return [w.replace("model_depth", "scale.backbones.r50.bottom_up.depth") for w in words]


def random_record(size: int, rng: np.random.Generator) -> dict[str, Any]:
    """A record of a random image with rectangular objects, of 15 to 40% of its width."""
    corner = rng.uniform(0, size * 0.6, (OBJECTS, 2))
    extent = rng.uniform(size * 0.15, size * 0.4, (OBJECTS, 2))
    boxes = np.concatenate((corner, np.minimum(corner + extent, size)), axis=1)
    annotations = []
    for box, label in zip(boxes, rng.integers(0, CLASSES, OBJECTS), strict=True):
        x0, y0, x1, y1 = box.astype(int)
        mask = np.zeros((size, size), dtype=np.uint8)
        mask[y0 : y1 + 1, x0 : x1 + 1] = 1
        annotations.append(
            {
                "bbox": box.tolist(),
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": int(label),
                "segmentation": run_length.encode(np.asfortranarray(mask)),
            }
        )
    return {
        "pixels": rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        "height": size,
        "width": size,
        "image_id": 0,
        "annotations": annotations,
    }


def training_step(
    setting: str, method: str, size: int, batch: int, precision: str
) -> Callable[[], None]:
    """A function that does one step: forward, backward, optimiser; the batch is always the same.

    The weights are untrained, but every cell proposes a box of every class, so that a teacher's
    labeller and the copy-paste have as much to do as they ever get.
    """
    torch.manual_seed(0)
    config = compose(overrides_of(setting, method, size))
    model = build(config.model)
    for name, parameter in model.named_parameters():
        if name.endswith("cls_logits.bias"):
            torch.nn.init.constant_(parameter, 1.0)
    model = model.to(memory_format=torch.channels_last).train()
    mapper = build(config.mapper, reader=lambda record: record["pixels"])
    rng = np.random.default_rng(0)
    images = [mapper(random_record(size, rng), rng) for _ in range(batch)]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, 1e-5, momentum=0.9)
    dtype = getattr(torch, precision)

    def step() -> None:
        with autocast(dtype, torch.device("cpu")):
            losses = model(images, LONG_AFTER_WARMUP).losses
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def bare_network_step(setting: str, size: int, batch: int) -> Callable[[], None]:
    """The reference: BoxInst's network alone, forward, backward and optimiser, no loss, no object.

    In the contiguous memory layout and float32, as the published code runs it; no implementation in
    that layout can have a faster step on the same machine.
    """
    torch.manual_seed(0)
    model = build(compose(overrides_of(setting, "boxinst", size)).model).train()
    images = torch.randn(batch, 3, size, size)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, 1e-9, momentum=0.9)

    def step() -> None:
        pyramid = model.backbone(images)
        outputs = model.detector([pyramid[name] for name in model.levels])
        maps = [model.mask_branch(pyramid), *outputs.logits, *outputs.box_distances]
        torch.stack([m.sum() for m in (*maps, *outputs.centerness)]).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
