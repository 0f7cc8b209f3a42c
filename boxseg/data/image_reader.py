"""Decoding images, with a bounded memory of those already decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from detectron2.data import detection_utils
from PIL import Image

from boxseg.errors import InputError


class ImageReader:
    """Reads the images of dataset records, keeping decoded ones while they fit.

    A small dataset is passed over many times; decoding it once is enough.

    Args:
        channel_order: "BGR" or "RGB".
        max_bytes: of decoded images kept.
    """

    def __init__(self, channel_order: str, max_bytes: int = 1 << 29) -> None:
        self.channel_order = channel_order
        self.free_bytes = max_bytes
        self.kept: dict[str, np.ndarray] = {}

    def __call__(self, record: dict[str, Any]) -> np.ndarray:
        """Pixels of a record's image, upright: uint8 (H, W, 3), not to be written to.

        Raises:
            InputError: the file cannot be read as an image, or its size is not the record's.
        """
        name = record["file_name"]
        if name in self.kept:
            return self.kept[name]
        try:
            image = detection_utils.read_image(name, format=self.channel_order)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(
                f"image {name} cannot be read ({error}); restore the file or remove the image "
                "from the annotations."
            ) from None
        if image.shape[:2] != (record["height"], record["width"]):
            raise InputError(
                f"image {name} is {image.shape[1]} x {image.shape[0]} pixels, but its annotations "
                f"say {record['width']} x {record['height']}; correct one of them."
            )
        if image.nbytes <= self.free_bytes:
            self.free_bytes -= image.nbytes
            self.kept[name] = image
        return image
