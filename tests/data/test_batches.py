"""Batches on their way to the device."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.structures import BitMasks, Boxes, Instances

from boxseg.data.batches import Batch, on_device
from boxseg.views import View

META = torch.device("meta")  # a device that any machine has


def item() -> dict[str, Any]:
    objects = Instances((6, 8))
    objects.gt_boxes = Boxes(torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    objects.gt_classes = torch.tensor([4])
    objects.gt_masks = BitMasks(torch.ones(1, 6, 8, dtype=torch.bool))
    image = torch.zeros(3, 6, 8, dtype=torch.uint8)
    view = View(6, 8, True)
    return {"image": image, "instances": objects, "student_view": view, "height": 6, "none": None}


def test_everything_moves_and_keeps_its_kind() -> None:
    original = item()
    (moved,) = on_device(Batch([original]), META)
    assert moved.keys() == original.keys()
    assert (moved["image"].device, moved["image"].dtype) == (META, torch.uint8)
    objects = moved["instances"]
    assert objects.image_size == (6, 8)
    assert isinstance(objects.gt_boxes, Boxes) and objects.gt_boxes.tensor.device == META
    assert isinstance(objects.gt_masks, BitMasks) and objects.gt_masks.tensor.device == META
    assert (objects.gt_classes.device, objects.gt_classes.dtype) == (META, torch.int64)
    assert moved["student_view"] is original["student_view"]
    assert (moved["height"], moved["none"]) == (6, None)
    assert original["instances"].gt_boxes.tensor.device.type == "cpu"


def test_what_is_there_already_is_not_copied() -> None:
    original = item()
    (moved,) = on_device(Batch([original]), torch.device("cpu"))
    assert moved["image"] is original["image"]
    storage = moved["instances"].gt_boxes.tensor.data_ptr()
    assert storage == original["instances"].gt_boxes.tensor.data_ptr()
