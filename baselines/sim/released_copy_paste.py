"""SIM's copy-paste as the released code does it, draw by draw; for parity."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.box_masks import box_masks, tight_boxes
from boxseg.peer_copy_paste.placement import moved


@dataclass(frozen=True, eq=False)
class BankImage:
    """An image to paste from, on the CPU.

    Attributes:
        image: uint8 (3, H, W).
        classes: int64 (N,).
        masks: bool (N, H, W).
        scores: float32 (N,), in [0, 1].
    """

    image: Tensor
    classes: Tensor
    masks: Tensor
    scores: Tensor


class ReleasedImageCopyPaste:
    """All images of a batch get objects of a random bank image, or none does.

    The images are padded with zeros to one size, which is theirs from then on; `unpadded_size` is
    what colours are compared within. An object may be drawn, and pasted, several times. The objects
    below lose what is covered of their BOX masks, get the tight boxes of the rest, and are dropped
    if nothing is left. The objects of an image pasted upon carry `visible_masks`, bool (N, H, W),
    and `pasted`, bool (N,).

    Args:
        capacity: of the bank, in images; nothing is pasted before it is full.
        probability: of pasting, per batch.
        seed: of all draws.
    """

    def __init__(self, capacity: int = 50, probability: float = 0.5, seed: int = 0) -> None:
        self.probability = probability
        self.bank: deque[BankImage] = deque(maxlen=capacity)
        self.numbers = random.Random(seed)

    def __call__(self, batch: Sequence[Mapping[str, Any]], divisor: int) -> list[dict[str, Any]]:
        """The batch pasted upon, or as it was.

        Args:
            batch: per image, `image` uint8 (3, H, W), `instances` with `gt_boxes` and `gt_classes`,
                and what else the model reads; not modified.
            divisor: of the padded size.
        """
        full = len(self.bank) == self.bank.maxlen
        if not full or self.numbers.random() < 1 - self.probability:
            return [dict(x) for x in batch]
        sides = [max(x["image"].shape[axis] for x in batch) for axis in (1, 2)]
        height, width = (-(-side // divisor) * divisor for side in sides)
        return [self.pasted(x, (height, width)) for x in batch]

    def pasted(self, x: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        """One image at this height and width, with objects of a random bank image in front."""
        source = self.numbers.choice(self.bank)
        count = min(max(int(0.5 * len(source.scores)), 1), 3)
        weights = (source.scores**3).tolist()
        drawn = torch.tensor(self.numbers.choices(range(len(weights)), weights=weights, k=count))
        image = x["image"]
        device = image.device
        masks = moved(source.masks[drawn], (0, 0), size).to(device)
        front = masks.any(dim=0)
        below = box_masks(x["instances"].gt_boxes.tensor.to(device), 1, *size) & ~front
        kept = below.flatten(1).any(dim=1)
        # Not clipped: an object that reaches out of the image keeps the box it had.
        boxes = torch.cat([tight_boxes(below[kept]), tight_boxes(source.masks[drawn]).to(device)])
        classes = x["instances"].gt_classes.to(device)[kept]
        objects = Instances(size)
        objects.gt_boxes = Boxes(boxes)
        objects.gt_classes = torch.cat([classes, source.classes[drawn].to(device)])
        objects.visible_masks = torch.cat([below[kept], masks])
        objects.pasted = torch.arange(len(boxes), device=device) >= int(kept.sum())
        pixels = moved(source.image, (0, 0), size).to(device)
        padded = moved(image, (0, 0), size)
        return {
            **x,
            "image": torch.where(front, pixels, padded),
            "instances": objects,
            "unpadded_size": (image.shape[1], image.shape[2]),
        }

    def remember(self, images: Tensor, objects: Sequence[Instances], instance: Tensor) -> None:
        """Fill the bank with as many copies of the batch's last image as the batch has images.

        Args:
            images: (B, 3, H, W), 0-255.
            objects: per image.
            instance: float32 (N, h, w), instance maps of all objects.
        """
        last = objects[-1]
        maps = instance[len(instance) - len(last) :, None]
        height, width = images.shape[-2:]
        fine = F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)[:, 0]
        areas = (
            last.visible_masks
            if last.has("visible_masks")
            else box_masks(last.gt_boxes.tensor, 1, height, width)
        )
        masks = (fine > 0.7) & areas
        entry = BankImage(
            image=images[-1].to(torch.uint8).cpu(),
            classes=last.gt_classes.cpu(),
            masks=masks.cpu(),
            scores=((fine * masks).sum(dim=(1, 2)) / (masks.sum(dim=(1, 2)) + 1)).cpu(),
        )
        if entry.scores.any():  # of zeros nothing could be drawn
            self.bank.extend([entry] * len(objects))

    def state_dict(self) -> dict[str, Any]:
        """The bank, and where the random generator stands."""
        version, internal, spare = self.numbers.getstate()
        bank = [vars(entry) for entry in self.bank]
        return {"bank": bank, "numbers": [version, list(internal), spare]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.bank.clear()
        self.bank.extend(BankImage(**entry) for entry in state["bank"])
        version, internal, spare = state["numbers"]
        self.numbers.setstate((version, tuple(internal), spare))
