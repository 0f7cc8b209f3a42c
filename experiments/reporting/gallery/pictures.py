"""Panels of the gallery: an image, what each method predicts on it, and the truth."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as run_length

from boxseg.overlays import draw_overlay
from experiments.reporting.gallery.predicted import TrueObjects, best_overlap
from reports.page.document import Panel

SIDE = 400
"""Greatest side of a panel, in pixels; pictures of the page are many."""

_COLOURS = 128
_NAMED = 6  # objects that the alternative text names


def image_panel(pixels: np.ndarray, image: int) -> Panel:
    """The image as it is: uint8 (H, W, 3), RGB."""
    alt = f"Image {image} without anything drawn on it."
    return Panel("image", alt, _png(pixels, [], [], []), drawn=False)


def method_panel(
    label: str,
    pixels: np.ndarray,
    image: int,
    truth: TrueObjects,
    found: Sequence[dict[str, Any]],
    score_threshold: float,
) -> Panel:
    """What a method predicts on an image, as far as its score is at or above the threshold."""
    shown = [one for one in found if one["score"] >= score_threshold]
    labels = [f"{truth.categories[one['category_id']]} {one['score']:.2f}" for one in shown]
    alt = f"{label} on image {image}: {_listed(labels)} of score {score_threshold:g} or more."
    objects = truth.objects[image]
    if truth.masked and objects:
        alt += f" Mean best-overlap IoU over all scores: {best_overlap(objects, found):.2f}."
    masks = [run_length.decode(one["segmentation"]).astype(bool) for one in shown]
    return Panel(label, alt, _png(pixels, [one["bbox"] for one in shown], masks, labels))


def truth_panel(pixels: np.ndarray, image: int, truth: TrueObjects) -> Panel:
    """The true objects; without masks, where a split has boxes only."""
    objects = truth.objects[image]
    labels = [truth.categories[one["category_id"]] for one in objects]
    kind = "true masks" if truth.masked else "true boxes"
    empty = np.zeros(pixels.shape[:2], dtype=bool)
    masks = [
        empty if one["rle"] is None else run_length.decode(one["rle"]).astype(bool)
        for one in objects
    ]
    png = _png(pixels, [one["bbox"] for one in objects], masks, labels)
    return Panel("ground truth", f"The {kind} on image {image}: {_listed(labels)}.", png)


def panels(
    pixels: np.ndarray,
    image: int,
    truth: TrueObjects,
    found: Mapping[str, Sequence[dict[str, Any]]],
    score_threshold: float,
) -> tuple[Panel, ...]:
    """All panels of an image: itself, the methods in their order, the truth.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        image: its id.
        truth: of its split.
        found: detections on it, best first, by the label of the method.
        score_threshold: detections below it are not drawn.
    """
    return (
        image_panel(pixels, image),
        *(
            method_panel(label, pixels, image, truth, detections, score_threshold)
            for label, detections in found.items()
        ),
        truth_panel(pixels, image, truth),
    )


def _listed(labels: Sequence[str]) -> str:
    count = f"{len(labels)} object" + ("" if len(labels) == 1 else "s")
    if not labels:
        return "no object"
    more = ", ..." if len(labels) > _NAMED else ""
    return f"{count} ({', '.join(labels[:_NAMED])}{more})"


def _png(
    pixels: np.ndarray,
    boxes: Sequence[Sequence[float]],
    masks: Sequence[np.ndarray],
    labels: Sequence[str],
) -> bytes:
    """An overlay as a small PNG: at most `SIDE` pixels wide and high, in few colours.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        boxes: XYWH in pixels, as COCO has them.
        masks: bool (H, W) each.
        labels: of the objects.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).copy()
    corners[:, 2:] += corners[:, :2]
    stacked = np.stack(masks) if masks else np.zeros((0, *pixels.shape[:2]), dtype=bool)
    picture = draw_overlay(pixels, corners, stacked, labels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    small = picture.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, format="PNG", optimize=True)
    return file.getvalue()
