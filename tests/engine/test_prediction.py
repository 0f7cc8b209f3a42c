"""From image files to detections in the pixels of the upright images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from PIL import Image
from pycocotools import mask as run_length
from torch import Tensor, nn

from boxseg.encoded_masks import EncodedMasks
from boxseg.engine.prediction import ImagePredictor, Prediction, Skipped

ORIENTATION = 0x0112


class BrightRed(nn.Module):
    """Finds the box of the bright red pixels, of class 1, and the whole image, of class 0.

    It is exact, so that what is tested is the way from the file to it and back.
    """

    device = torch.device("cpu")

    def forward(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        return [{"instances": self.found(x)} for x in batch]

    def found(self, x: Mapping[str, Any]) -> Instances:
        size = (x["height"], x["width"])
        image: Tensor = x["image"].float()
        fine = nn.functional.interpolate(image[None], size, mode="bilinear")[0]
        red = (fine[0] > 180) & (fine[1] < 100)
        rows, columns = red.any(dim=1).nonzero()[:, 0], red.any(dim=0).nonzero()[:, 0]
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        found = Instances(size)
        found.pred_boxes = Boxes(torch.tensor([[0, 0, size[1], size[0]], box]).float())
        found.scores = torch.tensor([0.4, 0.9])
        found.pred_classes = torch.tensor([0, 1])
        found.pred_masks = EncodedMasks.of(torch.stack([torch.ones_like(red), red]))
        return found


def scene(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    """A grey image with a red rectangle, XYXY in pixels."""
    pixels = np.full((height, width, 3), 60, np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = (255, 0, 0)
    return Image.fromarray(pixels)


def predictor(channel_order: str = "RGB", threshold: float = 0.0) -> ImagePredictor:
    return ImagePredictor(BrightRed(), channel_order, 100, 200, torch.float32, threshold)


def predicted(file: Path, **options: Any) -> Prediction:
    (answer,) = predictor(**options)([file], 1)
    assert isinstance(answer, Prediction)
    return answer


def test_boxes_and_masks_are_in_pixels_of_the_image(tmp_path: Path) -> None:
    scene(300, 200, (60, 40, 240, 120)).save(tmp_path / "a.png")
    answer = predicted(tmp_path / "a.png")
    assert answer.classes.tolist() == [1, 0]  # best score first
    assert np.abs(answer.boxes[0] - [60, 40, 240, 120]).max() <= 2
    red, whole = answer.coco_results(7, [11, 12])
    assert (red["image_id"], red["category_id"]) == (7, 12)
    assert red["score"] == pytest.approx(0.9)
    assert np.abs(np.subtract(red["bbox"], [60, 40, 180, 80])).max() <= 3  # XYWH
    assert red["segmentation"]["size"] == [200, 300]
    assert run_length.area(red["segmentation"]) == pytest.approx(180 * 80, rel=0.05)
    assert run_length.area(whole["segmentation"]) == 300 * 200


def test_a_turned_image_is_predicted_upright(tmp_path: Path) -> None:
    # Stored lying: the upright scene, 200 wide and 300 high, turned a quarter to the left.
    upright = scene(200, 300, (20, 30, 80, 270))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    answer = predicted(tmp_path / "a.png")
    assert answer.image.pixels.shape == (300, 200, 3)
    assert np.abs(answer.boxes[0] - [20, 30, 80, 270]).max() <= 3
    assert answer.coco_results(1, [1, 2])[0]["segmentation"]["size"] == [300, 200]


def test_large_images_have_masks_of_their_own_size_in_the_results(tmp_path: Path) -> None:
    scene(4000, 2000, (1000, 500, 3000, 1500)).save(tmp_path / "a.png")
    answer = predicted(tmp_path / "a.png")
    assert answer.masks.size == (666, 1333)  # computed at the greatest input of the papers
    assert np.abs(answer.boxes[0] - [1000, 500, 3000, 1500]).max() <= 40
    found = answer.coco_results(1, [1, 2])[0]["segmentation"]
    mask = run_length.decode(found)
    assert mask.shape == (2000, 4000)
    assert mask[520:1480, 1020:2980].mean() > 0.98
    assert mask[:, :960].sum() == mask[:, 3040:].sum() == 0


def test_the_network_is_given_its_order_of_channels(tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 30, 3), (0, 0, 255), np.uint8)).save(tmp_path / "blue.png")
    assert predicted(tmp_path / "blue.png", channel_order="BGR").boxes[0].tolist() == [0, 0, 30, 30]


def test_detections_below_the_threshold_are_left_out(tmp_path: Path) -> None:
    scene(100, 100, (20, 20, 80, 80)).save(tmp_path / "a.png")
    for threshold, classes in ((0.4, [1, 0]), (0.41, [1]), (0.95, [])):
        answer = predicted(tmp_path / "a.png", threshold=threshold)
        assert answer.classes.tolist() == classes
        assert len(answer.coco_results(1, [1, 2])) == len(classes)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 10])
def test_each_file_has_its_answer_however_they_are_batched(tmp_path: Path, batch_size: int) -> None:
    files = []
    for number in range(5):
        files.append(tmp_path / f"{number}.png")
        scene(100 + number, 60, (10, 10, 50 + 10 * number, 50)).save(files[-1])
    files[0].write_bytes(b"")
    files[3].unlink()
    answers = list(predictor()(files, batch_size))
    assert [answer.file for answer in answers] == files
    assert [isinstance(answer, Skipped) for answer in answers] == [True, False, False, True, False]
    for number in (1, 2, 4):
        answer = answers[number]
        assert isinstance(answer, Prediction)
        assert answer.image.pixels.shape == (60, 100 + number, 3)
        assert np.abs(answer.boxes[0] - [10, 10, 50 + 10 * number, 50]).max() <= 1
    reasons = [answer.reason for answer in answers if isinstance(answer, Skipped)]
    assert reasons == ["it is no image, or of an unknown format", "No such file or directory"]


def test_an_image_a_pixel_wide(tmp_path: Path) -> None:
    scene(1, 5000, (0, 1000, 1, 4000)).save(tmp_path / "a.png")
    answer = predicted(tmp_path / "a.png")
    assert answer.image.pixels.shape == (5000, 1, 3)
    assert np.abs(answer.boxes[0] - [0, 1000, 1, 4000]).max() <= 60
    assert answer.coco_results(1, [1, 2])[0]["segmentation"]["size"] == [5000, 1]
