"""Resizing and flipping images with their boxes and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from detectron2.structures import BoxMode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as run_length
from torch import Tensor

from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import (
    EvaluationMapper,
    TeacherStudentMapper,
    TrainingMapper,
    binary_mask,
)
from boxseg.data.resizing import LargeScaleJitter, Part, resized_shape
from boxseg.views import View, boxes_between

HEIGHT, WIDTH = 20, 40


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An image of 40 x 20 pixels with a box (4, 2, 14, 10) that its mask fills."""
    file = tmp_path_factory.mktemp("images") / "a.png"
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[2:10, 4:14] = 1
    return {
        "file_name": str(file),
        "height": HEIGHT,
        "width": WIDTH,
        "image_id": 7,
        "annotations": [
            {
                "bbox": [4.0, 2.0, 14.0, 10.0],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": 3,
                "iscrowd": 0,
                "segmentation": run_length.encode(mask),
            }
        ],
    }


def mapped(
    record: dict[str, Any],
    short_side: int = HEIGHT,
    masks: bool = False,
    seed: int = 0,
    **other: Any,
) -> dict[str, Any]:
    options = {"max_side": 1000, "flip": False} | other
    mapper = TrainingMapper(ImageReader("RGB"), [short_side], with_masks=masks, **options)
    return mapper(record, np.random.default_rng(seed))


def flipped(
    record: dict[str, Any], short_side: int = HEIGHT, masks: bool = False
) -> dict[str, Any]:
    """The first of the seeds' results that is mirrored (its first column is the last one)."""
    plain = mapped(record, short_side)["image"]
    for seed in range(20):
        found = mapped(record, short_side, masks, seed, flip=True)
        if not torch.equal(found["image"], plain):
            return found
    raise AssertionError("no seed of 20 flips the image")


def boxes(x: dict[str, Any]) -> list[list[float]]:
    found: list[list[float]] = x["instances"].gt_boxes.tensor.tolist()
    return found


def box_of(mask: Tensor) -> list[int]:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def test_nothing_to_do_leaves_everything(record: dict[str, Any]) -> None:
    x = mapped(record)
    pixels = np.asarray(Image.open(record["file_name"]))
    assert x["image"].dtype == torch.uint8
    assert np.array_equal(x["image"].numpy(), pixels.transpose(2, 0, 1))
    assert boxes(x) == [[4, 2, 14, 10]]
    assert x["instances"].gt_classes.tolist() == [3]
    assert x["instances"].image_size == (HEIGHT, WIDTH)
    assert (x["height"], x["width"], x["image_id"]) == (HEIGHT, WIDTH, 7)


def test_flipping_mirrors_pixels_and_boxes(record: dict[str, Any]) -> None:
    x = flipped(record)
    assert torch.equal(x["image"], mapped(record)["image"].flip(2))
    # x becomes 40 - x: 14 and 4 become 26 and 36, in rising order.
    assert boxes(x) == [[26, 2, 36, 10]]


def test_half_of_the_images_are_flipped(record: dict[str, Any]) -> None:
    mirrored = [boxes(mapped(record, seed=seed, flip=True))[0][0] == 26 for seed in range(100)]
    assert 30 < sum(mirrored) < 70
    assert not any(boxes(mapped(record, seed=seed))[0][0] == 26 for seed in range(20))


def test_resizing_scales_boxes(record: dict[str, Any]) -> None:
    x = mapped(record, short_side=30)
    assert x["image"].shape == (3, 30, 60)  # 20 x 40 times 1.5
    assert boxes(x) == [[6, 3, 21, 15]]
    assert (x["height"], x["width"]) == (HEIGHT, WIDTH)  # of the original, for the evaluation


def test_the_long_side_is_limited(record: dict[str, Any]) -> None:
    # 40 x 20 at short side 40 would be 80 wide; a limit of 60 makes the factor 1.5.
    x = mapped(record, short_side=40, max_side=60)
    assert x["image"].shape == (3, 30, 60)
    assert boxes(x) == [[6, 3, 21, 15]]


@pytest.mark.parametrize(
    ("size", "short_side", "max_side", "expected"),
    [
        ((480, 640), 240, 1000, (240, 320)),
        ((640, 480), 240, 1000, (320, 240)),
        ((480, 640), 480, 400, (300, 400)),  # 400 / 640 = 0.625, 0.625 * 480 = 300
        ((3, 1000), 6, 500, (2, 500)),  # 1.5 rows, rounded up
    ],
)
def test_resized_shape(
    size: tuple[int, int], short_side: int, max_side: int, expected: tuple[int, int]
) -> None:
    assert resized_shape(*size, short_side, max_side) == expected


def test_the_short_side_is_drawn_from_all_of_them(record: dict[str, Any]) -> None:
    mapper = TrainingMapper(ImageReader("RGB"), [10, 20, 30], 1000, flip=False, with_masks=False)
    heights = [mapper(record, np.random.default_rng(seed))["image"].shape[1] for seed in range(40)]
    assert set(heights) == {10, 20, 30}


def test_masks_follow_their_boxes(record: dict[str, Any]) -> None:
    for x in (mapped(record, 30, masks=True), flipped(record, 40, masks=True)):
        masks = x["instances"].gt_masks.tensor
        assert masks.dtype == torch.bool
        assert masks.shape == (1, *x["image"].shape[1:])
        assert box_of(masks[0]) == boxes(x)[0]
        (x0, y0, x1, y1) = map(int, boxes(x)[0])
        assert int(masks.sum()) == (x1 - x0) * (y1 - y0)  # the mask fills its box


@given(short_side=st.integers(5, 60), seed=st.integers(0, 1000))
def test_boxes_stay_in_the_image_and_masks_near_them(
    record: dict[str, Any], short_side: int, seed: int
) -> None:
    x = mapped(record, short_side, masks=True, seed=seed, flip=True)
    height, width = x["image"].shape[1:]
    x0, y0, x1, y1 = boxes(x)[0]
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    found = box_of(x["instances"].gt_masks.tensor[0])
    assert max(abs(a - b) for a, b in zip(found, (x0, y0, x1, y1), strict=True)) <= 1


@pytest.mark.parametrize("corrupt", [None, "nonsense", [[1, 2]], {"size": [1, 1], "counts": "??"}])
def test_training_on_boxes_never_looks_at_a_mask(record: dict[str, Any], corrupt: object) -> None:
    broken = {
        **record,
        "annotations": [{**record["annotations"][0], "segmentation": corrupt}],
    }
    x, y = mapped(broken, 30, flip=True), mapped(record, 30, flip=True)
    assert torch.equal(x["image"], y["image"])
    assert boxes(x) == boxes(y)
    assert sorted(x["instances"].get_fields()) == ["gt_boxes", "gt_classes"]


def test_an_image_without_objects(record: dict[str, Any]) -> None:
    x = mapped({**record, "annotations": []}, 30, masks=True)
    assert x["instances"].gt_boxes.tensor.shape == (0, 4)
    assert x["instances"].gt_classes.dtype == torch.int64
    assert x["instances"].gt_masks.tensor.shape == (0, 30, 60)


def test_teacher_and_student_see_one_image(record: dict[str, Any]) -> None:
    arguments = (ImageReader("RGB"), [10, 30], 1000, True, True)
    for seed in range(8):
        x = TeacherStudentMapper(*arguments, teacher_short_side=40)(
            record, np.random.default_rng(seed)
        )
        y = TrainingMapper(*arguments)(record, np.random.default_rng(seed))
        assert torch.equal(x["image"], y["image"])
        assert boxes(x) == boxes(y)
        # The teacher's image is not perturbed: always its size, never mirrored.
        assert torch.equal(x["teacher_image"], mapped(record, 40)["image"])
        assert x["teacher_view"] == View(40, 80)
        flip = torch.equal(x["image"], mapped(record, x["image"].shape[1])["image"].flip(2))
        assert x["student_view"] == View(*x["image"].shape[1:], flip)
        # True masks are beside the objects, where no loss finds them.
        assert sorted(x["instances"].get_fields()) == ["gt_boxes", "gt_classes"]
        assert torch.equal(x["diagnostic_masks"], y["instances"].gt_masks.tensor)


def test_a_teacher_without_masks_never_looks_at_one(record: dict[str, Any]) -> None:
    broken = {**record, "annotations": [{**record["annotations"][0], "segmentation": "?"}]}
    mapper = TeacherStudentMapper(ImageReader("RGB"), [20], 1000, True, False, 20)
    assert mapper(broken, np.random.default_rng(0))["diagnostic_masks"] is None


def test_forms_of_a_mask() -> None:
    # The square of rows 1-2 and columns 1-2 of a 4 x 5 image, in COCO's three forms. Runs go down
    # the columns: 4 + 1 outside, 2 inside, 2 outside, 2 inside, and 9 = 20 - 11 outside.
    expected = np.zeros((4, 5), bool)
    expected[1:3, 1:3] = True
    compressed = run_length.encode(np.asfortranarray(expected.astype(np.uint8)))
    listed = run_length.frPyObjects({"size": [4, 5], "counts": [5, 2, 2, 2, 9]}, 4, 5)
    for segmentation in ([[1, 1, 3, 1, 3, 3, 1, 3]], compressed, listed):
        mask = binary_mask(segmentation, 4, 5)
        assert mask.dtype == bool
        assert np.array_equal(mask, expected)


def test_evaluation_resizes_and_nothing_else(record: dict[str, Any]) -> None:
    mapper = EvaluationMapper(ImageReader("RGB"), 20, 1000)
    x = mapper({key: record[key] for key in ("file_name", "height", "width", "image_id")})
    assert torch.equal(x["image"], mapped(record)["image"])
    assert sorted(x) == ["height", "image", "image_id", "width"]
    small = EvaluationMapper(ImageReader("RGB"), 20, 20)(record)
    assert small["image"].shape == (3, 10, 20)
    assert (small["height"], small["width"]) == (HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def two_objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A black image of 80 x 40 pixels with a red and a green rectangle, their boxes and masks."""
    file = tmp_path_factory.mktemp("images") / "b.png"
    pixels = np.zeros((40, 80, 3), np.uint8)
    annotations = []
    for channel, (x0, y0, x1, y1) in enumerate([(4, 8, 28, 32), (50, 4, 78, 24)]):
        pixels[y0:y1, x0:x1, channel] = 255
        mask = np.asfortranarray(pixels[..., channel] > 0).astype(np.uint8, order="F")
        annotations.append(
            {
                "bbox": [float(x0), float(y0), float(x1), float(y1)],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": channel,
                "segmentation": run_length.encode(mask),
            }
        )
    Image.fromarray(pixels).save(file)
    return {
        "file_name": str(file),
        "height": 40,
        "width": 80,
        "image_id": 1,
        "annotations": annotations,
    }


def jittered(record: dict[str, Any], seed: int, **bounds: float) -> dict[str, Any]:
    jitter = LargeScaleJitter(64, **bounds)
    mapper = TrainingMapper(ImageReader("RGB"), [], 0, True, True, jitter)
    return mapper(record, np.random.default_rng(seed))


def assert_boxes_around_pixels(
    image: Tensor, classes: Tensor, boxes: Tensor, within: float = 1.0
) -> None:
    """Boxes are where the channel of their class is bright, to so many pixels."""
    for number, box in zip(classes, boxes, strict=True):
        area = image[number] > 127  # a resized rectangle is above one half inside
        rows, columns = area.any(1).nonzero(), area.any(0).nonzero()
        if min((box[2:] - box[:2]).tolist()) < 3:
            continue  # a rim of what was cut
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        expected = torch.tensor([float(v) for v in tight])
        torch.testing.assert_close(box, expected, rtol=0, atol=within)


def test_large_scale_jitter_keeps_objects_where_their_pixels_are(
    two_objects: dict[str, Any],
) -> None:
    sides, left_over = set(), set()
    for seed in range(60):
        x = jittered(two_objects, seed)
        image, objects = x["image"], x["instances"]
        height, width = image.shape[1:]
        assert objects.image_size == (height, width) and max(height, width) <= 64
        assert (x["student_view"].height, x["student_view"].width) == (height, width)
        # The part's own size before it was resized; its pixels are as wide as they are high.
        assert x["height"] <= 40 and x["width"] <= 80
        assert x["height"] / x["width"] == pytest.approx(height / width, rel=0.2)
        sides.add(width)
        left_over.add(tuple(objects.gt_classes.tolist()))
        assert_boxes_around_pixels(image, objects.gt_classes, objects.gt_boxes.tensor)
        masks = objects.gt_masks.tensor
        for number, mask in zip(objects.gt_classes, masks, strict=True):
            assert ((image[number] > 127) != mask).float().mean() < 0.1
    assert min(sides) < 16 and max(sides) == 64  # from a tenth of the square to all of it
    assert (0, 1) in left_over and (0,) in left_over and (1,) in left_over


def test_large_scale_jitter_draws_its_bounds(two_objects: dict[str, Any]) -> None:
    whole = jittered(two_objects, 0, least=1.0, greatest=1.0)
    assert whole["image"].shape == (3, 32, 64)
    assert len(whole["instances"]) == 2
    twice = [jittered(two_objects, seed, least=2.0, greatest=2.0) for seed in range(20)]
    assert {tuple(x["image"].shape) for x in twice} == {(3, 64, 64)}
    assert len({x["image"].numpy().tobytes() for x in twice}) > 10


def test_a_teacher_sees_the_part_of_a_large_scale_jitter(two_objects: dict[str, Any]) -> None:
    mapper = TeacherStudentMapper(
        ImageReader("RGB"), [], 1000, True, True, 120, LargeScaleJitter(64, least=0.3)
    )
    cut = 0
    for seed in range(40):
        x = mapper(two_objects, np.random.default_rng(seed))
        objects, view = x["instances"], x["teacher_view"]
        assert len(x["diagnostic_masks"]) == len(objects)
        assert tuple(x["teacher_image"].shape[1:]) == (view.height, view.width)
        # Three pixels to one of the original, whatever the student's are.
        assert view.height / x["height"] == pytest.approx(3, abs=0.1)
        cut += x["width"] < 80
        boxes = boxes_between(objects.gt_boxes.tensor, x["student_view"], view)
        small = (objects.gt_boxes.tensor[:, 2:] - objects.gt_boxes.tensor[:, :2]).amin(dim=1) < 3
        # A pixel of the student's image, in which boxes are cut, is up to as wide as some here.
        assert_boxes_around_pixels(
            x["teacher_image"], objects.gt_classes[~small], boxes[~small], within=1.5
        )
    assert 5 < cut < 35


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(1, 40))
def test_the_whole_image_as_a_part_is_resized_as_ever(
    height: int, width: int, new_height: int, new_width: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = T.ResizeTransform(height, width, new_height, new_width).apply_image(image)
    ours = Part(0, 0, width, height).resized(image, new_height, new_width)
    np.testing.assert_array_equal(ours, expected)
