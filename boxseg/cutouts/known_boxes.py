"""Known boxes as a network learns of them and is asked about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from boxseg.cutouts.cutouts import Cutouts, pictures, pixels_of
from boxseg.cutouts.other_boxes import other_boxes


@dataclass(frozen=True)
class KnownBoxes:
    """N objects of an image, or of several.

    Attributes:
        cutouts: of the objects.
        pictures: uint8 (N, 3, P, P), RGB, their cut-outs as a network sees them.
        others: float16 (N, 2, GRID, GRID), where other boxes of the image are.
        classes: int64 (N,).
    """

    cutouts: Cutouts
    pictures: Tensor
    others: Tensor
    classes: Tensor

    @classmethod
    def of(
        cls, image: np.ndarray, boxes: Tensor, classes: Tensor, device: torch.device
    ) -> KnownBoxes:
        """Those of an image.

        Args:
            image: uint8 (H, W, 3), RGB.
            boxes: (N, 4), XYXY in pixels, with an area in the image.
            classes: int64 (N,).
            device: to compute on.
        """
        boxes = boxes.to(device, torch.float32)
        pixels = pixels_of(image, device)
        shown = pictures(pixels, boxes)
        return cls(Cutouts.of(pixels, boxes), shown, other_boxes(boxes).half(), classes.to(device))

    @classmethod
    def cat(cls, parts: Sequence[KnownBoxes]) -> KnownBoxes:
        """The objects of at least one image, one after the other."""
        cutouts = Cutouts(
            torch.cat([one.cutouts.lab for one in parts]),
            torch.cat([one.cutouts.inside for one in parts]),
            torch.cat([one.cutouts.outside for one in parts]),
        )
        return cls(
            cutouts,
            torch.cat([one.pictures for one in parts]),
            torch.cat([one.others for one in parts]),
            torch.cat([one.classes for one in parts]),
        )

    def __len__(self) -> int:
        return len(self.classes)
