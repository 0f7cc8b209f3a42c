"""Training steps of every method on images of noise, for tests of arithmetic and devices."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import BoxMode
from pycocotools import mask as run_length
from torch import nn

from boxseg.data.batches import Batch
from boxseg.engine.trainer import StepTrainer
from experiments.configuration.build import build
from experiments.configuration.compose import compose

NEEDS_MMDET = pytest.mark.skipif(find_spec("mmdet") is None, reason="mmdet is not installed")
METHODS = [
    "box2mask-c",
    "boxinst",
    "boxseg",
    "boxseg-released",
    "boxteacher",
    "boxteacher-released",
    "condinst",
    "discobox",
    "mask-rcnn",
    pytest.param("mmdet-boxinst", marks=NEEDS_MMDET),
    "sim",
    "sim-released",
]
CLASSES = 5
PSEUDO_LOSSES = ("loss_mask", "loss_pseudo", "loss_paste", "loss_self_training")
AFTER_ALL_WARM_UPS = 10**6


def record(side: int, objects: int, rng: np.random.Generator) -> dict[str, Any]:
    """A square image of noise with rectangular objects, of 15 to 40% of its side."""
    corners = rng.uniform(0, side * 0.6, (objects, 2))
    extents = rng.uniform(side * 0.15, side * 0.4, (objects, 2))
    boxes = np.concatenate((corners, corners + extents), axis=1)
    annotations = []
    for box, label in zip(boxes, rng.integers(0, CLASSES, objects), strict=True):
        x0, y0, x1, y1 = box.astype(int)
        mask = np.zeros((side, side), dtype=np.uint8, order="F")
        mask[y0 : y1 + 1, x0 : x1 + 1] = 1
        annotations.append(
            {
                "bbox": box.tolist(),
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": int(label),
                "segmentation": run_length.encode(mask),
            }
        )
    pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return {
        "pixels": pixels,
        "height": side,
        "width": side,
        "image_id": 0,
        "annotations": annotations,
    }


def model_and_batch(
    method: str, scale: str, side: int, *words: str, images: int = 2, objects: int = 4
) -> tuple[nn.Module, Batch]:
    """A method's model, on the CPU and in training mode, and a batch for it.

    Every cell proposes a box of every class, of a size that its level is for, so that teachers have
    pseudo masks to make.

    Args:
        side: of the images, in pixels.
        words: further ones of the configuration.
    """
    config = compose(
        [
            f"method={method}",
            f"scale={scale}",
            "dataset=scenes",
            f"dataset.num_classes={CLASSES}",
            f"images.short_sides=[{side}]",
            f"images.max_side={side}",
            f"images.test_short_side={side}",
            *words,
        ]
    )
    torch.manual_seed(0)
    model: nn.Module = build(config.model, config.packages)
    for name, parameter in model.named_parameters():
        if name.endswith("cls_logits.bias"):
            nn.init.constant_(parameter, 1.0)
        if name.endswith("bbox_pred.bias"):
            nn.init.constant_(parameter, 2.2)  # cells of its level, to each side
    rng = np.random.default_rng(0)
    mapper = build(config.mapper, config.packages, reader=lambda one: one["pixels"])
    batch = Batch(mapper(record(side, objects, rng), rng) for _ in range(images))
    return model.to(memory_format=torch.channels_last).train(), batch


def logged(
    model: nn.Module,
    batch: Batch,
    precision: torch.dtype,
    steps: int = 1,
    learning_rate: float = 1e-4,
    first: int = AFTER_ALL_WARM_UPS,
) -> list[dict[str, float]]:
    """What the trainer logs of some steps on one batch, always the same.

    Args:
        model: is trained.
        batch: to train on.
        precision: that convolutions run in.
        steps: how many.
        learning_rate: of AdamW.
        first: steps that count as done.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, learning_rate, fused=True)
    trainer = StepTrainer(model, optimizer, iter([batch] * steps), precision, clip_norm=10.0)
    found = []
    for step in range(first, first + steps):
        torch.manual_seed(step)  # CondInst draws positives, mmdet and Mask R-CNN too
        trainer.train(step, step + 1)
        found.append(trainer.scalars)
    return found


def assert_alike(exact: list[dict[str, float]], mixed: list[dict[str, float]]) -> None:
    """Losses of the first step within 0.2%, and what training takes off them within a quarter.

    What a teacher proposes is ranked and thresholded: by rounding another box may be taken, or
    another object be taught, so losses on pseudo masks get a quarter too.

    Args:
        exact: what `logged` gives in float32.
        mixed: in bfloat16.
    """
    for name, value in exact[0].items():
        if name.startswith("loss"):
            tolerance = 0.25 if name.startswith(PSEUDO_LOSSES) else 2e-3
            assert mixed[0][name] == pytest.approx(value, rel=tolerance, abs=1e-3), name
    learnt, learnt_mixed = (
        steps[0]["total_loss"] - steps[-1]["total_loss"] for steps in (exact, mixed)
    )
    assert learnt > 0.1 * exact[0]["total_loss"]
    assert learnt_mixed == pytest.approx(learnt, rel=0.25)
