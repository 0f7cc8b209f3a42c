"""Masks that a box alone gives, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as run_length

from boxseg import trivial_masks
from boxseg.data.image_reader import ImageReader
from boxseg.grabcut import grabcut_mask, is_installed
from boxseg.trivial_masks import filled_boxes, inscribed_ellipses, trivial_mask_scores

needs_opencv = pytest.mark.skipif(not is_installed(), reason="OpenCV is not installed")


def boxes(*corners: list[float]) -> torch.Tensor:
    return torch.tensor(corners, dtype=torch.float64)


def picture(masks: torch.Tensor) -> list[str]:
    (mask,) = masks
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask]


def test_a_box_holds_the_pixels_whose_centres_it_holds() -> None:
    # Column 1's centre is 1.5, which is in; column 4's 4.5 is at the end, which is out.
    assert picture(filled_boxes(boxes([1.2, 0.6, 4.5, 3.0]), 4, 6)) == [
        "......",
        ".###..",
        ".###..",
        "......",
    ]


def test_an_ellipse_worked_by_hand() -> None:
    # Half sides 3 and 2, centre (4, 2). Row 0, whose centre is 0.75 half sides up, leaves
    # 1 - 0.5625 = 0.4375 to the columns: up to 0.66 of 3, so 3.5 and 4.5 (0.03), 2.5 and 5.5
    # (0.25), not 1.5 (0.69). Row 1 (0.0625) leaves 0.9375: also 1.5 and 6.5.
    assert picture(inscribed_ellipses(boxes([1, 0, 7, 4]), 4, 8)) == [
        "..####..",
        ".######.",
        ".######.",
        "..####..",
    ]


def test_every_box_has_its_own() -> None:
    both = boxes([0, 0, 2, 2], [2, 1, 5, 4])
    for mask_of in (filled_boxes, inscribed_ellipses):
        together = mask_of(both, 4, 5)
        for place, one in enumerate(both):
            assert torch.equal(together[place], mask_of(one[None], 4, 5)[0])


def record(folder: Path, masks: list[np.ndarray], colours: np.ndarray) -> dict[str, Any]:
    """A picture with objects of these masks, in tight boxes."""
    annotations = []
    for mask in masks:
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        encoded = run_length.encode(np.asfortranarray(mask.astype(np.uint8)))
        annotations.append({"bbox": list(map(float, box)), "segmentation": encoded})
    file = folder / "picture.png"
    Image.fromarray(colours).save(file)
    height, width = masks[0].shape
    return {"file_name": str(file), "height": height, "width": width, "annotations": annotations}


def test_scores_worked_by_hand(tmp_path: Path) -> None:
    # A triangle of 1 + 2 + 3 + 4 = 10 in its box of 16; the ellipse there is the box without its
    # four corners, of which the triangle has three: 7 in common, of 10 + 12 - 7 = 15. And a whole
    # box of 2 x 2, which is its ellipse, too.
    triangle, square = np.zeros((8, 8), dtype=bool), np.zeros((8, 8), dtype=bool)
    triangle[:4, :4] = np.tri(4, dtype=bool)
    square[6:, 6:] = True
    colours = np.zeros((8, 8, 3), dtype=np.uint8)
    one = record(tmp_path, [triangle, square], colours)
    found = trivial_mask_scores([one, {**one, "annotations": []}], ImageReader("RGB"))
    assert found["trivial/box-IoU"] == pytest.approx(100 * (10 / 16 + 1) / 2)
    assert found["trivial/ellipse-IoU"] == pytest.approx(100 * (7 / 15 + 1) / 2)
    assert ("trivial/grabcut-IoU" in found) == is_installed()


def test_without_objects_there_is_no_score() -> None:
    scores = trivial_mask_scores([{"height": 4, "width": 4, "annotations": []}], ImageReader("RGB"))
    assert set(scores.values()) == {None}


def star(size: int) -> np.ndarray:
    """A cross of two bars in the middle of a picture: half of its box is background."""
    mask = np.zeros((size, size), dtype=bool)
    third = size // 12
    centre = slice(size // 2 - third, size // 2 + third)
    whole = slice(size // 4, 3 * size // 4)
    mask[centre, whole] = mask[whole, centre] = True
    return mask


@needs_opencv
@pytest.mark.parametrize("size", [48, 400])  # the second is shrunk
def test_grabcut_finds_what_differs_in_colour(tmp_path: Path, size: int) -> None:
    mask = star(size)
    noise = np.random.default_rng(0).integers(0, 30, (size, size, 3))
    colours = (np.where(mask[..., None], [200, 40, 30], [30, 60, 160]) + noise).astype(np.uint8)
    one = record(tmp_path, [mask], colours)
    found = trivial_mask_scores([one], ImageReader("RGB"))
    box, cut = found["trivial/box-IoU"], found["trivial/grabcut-IoU"]
    assert box is not None and cut is not None
    assert box < 60
    assert cut > 90
    assert trivial_mask_scores([one], ImageReader("RGB")) == found  # nothing of it is drawn anew


@needs_opencv
def test_where_grabcut_finds_nothing_the_ellipse_stands() -> None:
    flat = np.full((20, 30, 3), 90, dtype=np.uint8)
    for box in ([4.0, 4.0, 16.0, 12.0], [0.0, 0.0, 30.0, 20.0]):  # the second leaves no background
        ellipse = inscribed_ellipses(boxes(box), 20, 30)[0].numpy()
        assert np.array_equal(grabcut_mask(flat, box), ellipse)


@needs_opencv
def test_of_many_objects_grabcut_is_tried_on_some_at_even_distances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = []
    for place in range(6):
        mask = np.zeros((12, 12), dtype=bool)
        mask[2 * place : 2 * place + 2, : place + 2] = True
        masks.append(mask)
    one = record(tmp_path, masks, np.zeros((12, 12, 3), dtype=np.uint8))
    monkeypatch.setattr(trivial_masks, "GRABCUT_OBJECTS", 3)
    some = {**one, "annotations": one["annotations"][::2]}
    reader = ImageReader("RGB")
    assert (
        trivial_mask_scores([one], reader)["trivial/grabcut-IoU"]
        == trivial_mask_scores([some], reader)["trivial/grabcut-IoU"]
    )
