"""Tutors on their way from the bank into an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste.bank import draw_index
from boxseg.peer_copy_paste.frames import moved
from boxseg.peer_copy_paste.occlusion import tight_boxes
from boxseg.peer_copy_paste.tutors import Tutor


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels to paste: uint8 (3, h, w), and where they are the object's: bool (h, w)."""

    pixels: Tensor
    mask: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.mask.shape[0], self.mask.shape[1]

    def window(self, x0: int, y0: int, x1: int, y1: int) -> Patch:
        """Columns x0 to x1 - 1 of rows y0 to y1 - 1."""
        return Patch(self.pixels[:, y0:y1, x0:x1], self.mask[y0:y1, x0:x1])

    def in_image(
        self, image_size: tuple[int, int], offset: tuple[int, int], tutor: Tutor
    ) -> TrainingSample:
        """The tutor as the one object of an otherwise black image.

        Args:
            image_size: height and width.
            offset: (x, y) such that the patch is inside.
            tutor: whose class, quality and score the object has.
        """
        x, y = offset
        height, width = self.size
        return TrainingSample(
            image=moved(self.pixels, offset, image_size),
            boxes=torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32),
            classes=torch.tensor([tutor.label]),
            masks=moved(self.mask, offset, image_size)[None],
            quality=torch.tensor([tutor.quality]),
            scores=torch.tensor([tutor.score]),
            valid=torch.tensor([True]),
            pasted=torch.tensor([True]),
        )


def fitted_patch(tutor: Tutor, image_size: tuple[int, int], generator: torch.Generator) -> Patch:
    """The tutor, or a random window of it no larger than the image, cropped to what it shows."""
    patch = Patch(tutor.pixels, tutor.mask())
    excess_y, excess_x = (
        max(have - most, 0) for have, most in zip(tutor.size, image_size, strict=True)
    )
    if not excess_y and not excess_x:
        return patch
    y0 = draw_index(excess_y + 1, generator)
    x0 = draw_index(excess_x + 1, generator)
    patch = patch.window(x0, y0, x0 + image_size[1], y0 + image_size[0])
    x0, y0, x1, y1 = tight_boxes(patch.mask[None])[0].long().tolist()
    return patch.window(x0, y0, x1, y1)
