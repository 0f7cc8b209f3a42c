"""Detections on image files of any kind and size, one file's trouble kept from the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import transforms as T
from PIL import Image
from torch import Tensor, nn

from boxseg.data.image_reader import (
    DecodedImage,
    UnreadableImage,
    decode_image,
    in_channel_order,
)
from boxseg.data.mapper import image_tensor
from boxseg.data.resizing import resized_shape
from boxseg.encoded_masks import EncodedMasks
from boxseg.engine.coco_results import coco_results
from boxseg.engine.precision import autocast

GREATEST_MASK_SIDE = 1333
"""Masks of larger images are computed at this long side, the largest input the papers use."""


@dataclass(frozen=True)
class Prediction:
    """What was found on one image, best score first.

    Attributes:
        file: of the image.
        image: as it was decoded.
        boxes: float32 (K, 4), XYXY in pixels of the decoded, upright image.
        scores: float32 (K,), in [0, 1].
        classes: int64 (K,), from 0.
        masks: K, of the whole image; at its size or, if that is large, smaller.
    """

    file: Path
    image: DecodedImage
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: EncodedMasks

    def coco_results(self, image_id: int, category_ids: Sequence[int]) -> list[dict[str, Any]]:
        """The detections in COCO's result format, masks at the image's size.

        Args:
            image_id: to give them.
            category_ids: of the classes.
        """
        return coco_results(
            image_id,
            self.boxes.astype(np.float64),
            self.scores,
            self.classes,
            _at_size(self.masks, self.image.pixels.shape[:2]),
            category_ids,
        )


@dataclass(frozen=True)
class Skipped:
    """An image file that could not be read, and why."""

    file: Path
    reason: str


def _at_size(masks: EncodedMasks, size: tuple[int, int]) -> EncodedMasks:
    """Masks at another (height, width), one after the other."""
    if masks.size == size:
        return masks
    resized = (EncodedMasks.of(_resized(mask, size)[None]) for mask in masks)
    return EncodedMasks(size, [counts for one in resized for counts in one.counts])


def _resized(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A bool mask as bool (height, width)."""
    grey = Image.fromarray(mask.numpy().view(np.uint8) * 255)
    fine = np.asarray(grey.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return torch.from_numpy(fine > 127)


class ImagePredictor:
    """A model with everything it takes to go from image files to detections.

    Args:
        model: put into evaluation mode here.
        channel_order: of its input, "BGR" or "RGB".
        short_side, max_side: of its input, in pixels.
        precision: that convolutions run in.
        score_threshold: detections below it are left out.
    """

    def __init__(
        self,
        model: nn.Module,
        channel_order: str,
        short_side: int,
        max_side: int,
        precision: torch.dtype,
        score_threshold: float,
    ) -> None:
        self.model = model.eval()
        self.channel_order = channel_order
        self.short_side = short_side
        self.max_side = max_side
        self.precision = precision
        self.score_threshold = score_threshold

    def __call__(self, files: Sequence[Path], batch_size: int) -> Iterator[Prediction | Skipped]:
        """Predict on image files; gives one answer per file, in their order.

        Args:
            files: to decode, `batch_size` at a time.
            batch_size: images that go through the network together, padded to one size.
        """
        for start in range(0, len(files), batch_size):
            answers = [_decoded(file) for file in files[start : start + batch_size]]
            images = [one for one in answers if isinstance(one, DecodedImage)]
            found = iter(self._detections(images))
            for file, answer in zip(files[start : start + batch_size], answers, strict=True):
                if isinstance(answer, UnreadableImage):
                    yield Skipped(file, str(answer))
                else:
                    yield Prediction(file, answer, *next(found))

    def _detections(
        self, images: Sequence[DecodedImage]
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, EncodedMasks]]:
        """Per image, boxes, scores, classes and masks as in `Prediction`."""
        if not images:
            return []
        batch = [self._input(image) for image in images]
        with torch.no_grad(), autocast(self.precision, self.model.device):  # type: ignore[arg-type]
            outputs = self.model(batch)
        detections = []
        for image, x, output in zip(images, batch, outputs, strict=True):
            found = output["instances"].to("cpu")
            found = found[found.scores >= self.score_threshold]
            found = found[found.scores.argsort(descending=True, stable=True)]
            height, width = image.pixels.shape[:2]
            found.pred_boxes.scale(width / x["width"], height / x["height"])
            found.pred_boxes.clip((height, width))
            detections.append(
                (
                    found.pred_boxes.tensor.float().numpy(),
                    found.scores.float().numpy(),
                    found.pred_classes.numpy(),
                    found.pred_masks,
                )
            )
        return detections

    def _input(self, image: DecodedImage) -> dict[str, Any]:
        """The model's input; `height` and `width` are those that masks are wanted at."""
        height, width = image.pixels.shape[:2]
        size = resized_shape(height, width, self.short_side, self.max_side)
        pixels = in_channel_order(image.pixels, self.channel_order)
        resized = T.ResizeTransform(height, width, *size).apply_image(pixels)
        factor = min(GREATEST_MASK_SIDE / max(height, width), 1.0)
        return {
            "image": image_tensor(resized),
            "height": max(round(height * factor), 1),
            "width": max(round(width * factor), 1),
        }


def _decoded(file: Path) -> DecodedImage | UnreadableImage:
    try:
        return decode_image(file)
    except UnreadableImage as error:
        return error
