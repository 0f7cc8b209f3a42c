"""SIM's copy-paste as the released code does it, draw by draw; for parity."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.box_masks import box_masks, tight_boxes
from boxseg.host_copies import index_on, on_host, to_host
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


@dataclass(frozen=True, eq=False)
class Paste:
    """N objects in the frame of an image with M objects, on its device.

    Attributes:
        image: uint8 (3, H, W).
        boxes: float32 (N, 4), of the objects as they were remembered.
        classes: int64 (N,).
        masks: bool (N, H, W).
        below: bool (M, H, W), what is left of the box masks of the image's own objects.
    """

    image: Tensor
    boxes: Tensor
    classes: Tensor
    masks: Tensor
    below: Tensor


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
        return self.pasted_all(batch, (height, width))

    def pasted(self, x: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        """One image at this height and width, with objects of a random bank image in front."""
        return self.pasted_all([x], size)[0]

    def pasted_all(
        self, batch: Sequence[Mapping[str, Any]], size: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """The images at this height and width, each with objects of a random bank image in front.

        Which objects stay is asked of the device once for all images.
        """
        pastes = [self.paste_of(x, size) for x in batch]
        decided = to_host([paste.below.flatten(1).any(dim=1) for paste in pastes])
        kept = [
            index_on(x["image"].device, np.flatnonzero(seen))
            for x, seen in zip(batch, decided, strict=True)
        ]
        return [pasted_upon(*parts, size) for parts in zip(batch, pastes, kept, strict=True)]

    def paste_of(self, x: Mapping[str, Any], size: tuple[int, int]) -> Paste:
        """Random objects of a random bank image in the frame of an image, and what they leave."""
        source = self.numbers.choice(self.bank)
        count = min(max(int(0.5 * len(source.scores)), 1), 3)
        weights = on_host(source.scores**3).tolist()
        places = self.numbers.choices(range(len(weights)), weights=weights, k=count)
        drawn = torch.tensor(places)
        device = x["image"].device

        def there(values: Tensor) -> Tensor:
            return values.to(device, non_blocking=True)

        masks = there(moved(source.masks[drawn], (0, 0), size))
        areas = box_masks(there(x["instances"].gt_boxes.tensor), 1, *size)
        return Paste(
            image=there(moved(source.image, (0, 0), size)),
            # Not clipped: an object that reaches out of the image keeps the box it had.
            boxes=there(tight_boxes(source.masks[drawn])),
            classes=there(source.classes[drawn]),
            masks=masks,
            below=areas & ~masks.any(dim=0),
        )

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
        scores = (fine * masks).sum(dim=(1, 2)) / (masks.sum(dim=(1, 2)) + 1)
        known = to_host([images[-1].to(torch.uint8), last.gt_classes, masks, scores])
        entry = BankImage(*(torch.from_numpy(values) for values in known))
        if known[-1].any():  # of zeros nothing could be drawn
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


def pasted_upon(
    x: Mapping[str, Any], paste: Paste, kept: Tensor, size: tuple[int, int]
) -> dict[str, Any]:
    """An image at this height and width, with a paste in front of its kept objects, int64 (n,)."""
    image, below = x["image"], paste.below[kept]
    classes = x["instances"].gt_classes.to(image.device, non_blocking=True)[kept]
    objects = Instances(size)
    objects.gt_boxes = Boxes(torch.cat([tight_boxes(below), paste.boxes]))
    objects.gt_classes = torch.cat([classes, paste.classes])
    objects.visible_masks = torch.cat([below, paste.masks])
    objects.pasted = torch.arange(len(objects), device=image.device) >= len(kept)
    front = paste.masks.any(dim=0)
    return {
        **x,
        "image": torch.where(front, paste.image, moved(image, (0, 0), size)),
        "instances": objects,
        "unpadded_size": (image.shape[1], image.shape[2]),
    }
