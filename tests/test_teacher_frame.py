"""What the teacher is shown, and the frame of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from boxseg.mask_losses import LossTerms
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import OwnFrame, StudentFrame, in_resized_images
from boxseg.views import View


class Watching(Segmenter):
    """A teacher that keeps what it is shown and predicts the left half of every image."""

    device = torch.device("cpu")
    mask_stride = 4

    def __init__(self) -> None:
        super().__init__({})
        self.shown: list[Tensor] = []

    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        raise NotImplementedError

    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> TeacherPredictions:
        self.shown = list(images)
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        scales = [h / size[0] for h, size in zip(original_heights, sizes, strict=True)]
        return left_halves(sizes, scales)


def left_halves(sizes: list[tuple[int, int]], scales: list[float]) -> TeacherPredictions:
    """One prediction an image, with masks at stride 4 that reach past it, as padding makes them."""
    height, width = (max(size[axis] for size in sizes) // 4 for axis in (0, 1))
    masks = torch.zeros(len(sizes), height + 3, width + 5)
    for mask, size in zip(masks, sizes, strict=True):
        mask[:, : size[1] // 8] = 1.0
    return TeacherPredictions(
        boxes=torch.tensor([[-2.0, 0.0, width / 2, height] for height, width in sizes]),
        scores=torch.full((len(sizes),), 0.9),
        classes=torch.full((len(sizes),), 3),
        counts=[1] * len(sizes),
        image_sizes=sizes,
        original_scales=scales,
        mask_stride=4,
        masks_of=lambda indices, counts: masks[indices],
        suppressed=lambda: [torch.tensor([place]) for place in range(len(sizes))],
    )


def test_predictions_in_the_pixels_of_a_resized_image_by_hand() -> None:
    # 32 x 64 pixels become 16 x 96: y is halved and x is 1.5 times as large.
    made = in_resized_images(left_halves([(32, 64)], [3.0]), [(16, 96)])
    assert made.boxes.tolist() == [[-3.0, 0.0, 48.0, 16.0]]  # not clipped
    assert made.image_sizes == [(16, 96)]
    assert made.original_scales == [6.0]  # 96 original rows for 16
    assert made.mask_stride == 1
    masks = made.masks_of(torch.tensor([0]), [1])
    assert masks.shape == (1, 16, 96)
    # Stride 4 puts cell 7, the object's last, at column 30 and cell 8 at column 34, so the mask
    # falls to one half at column 32. Column j of 96 is column (j + 0.5) / 1.5 - 0.5 of 64: 48 is
    # 31.8 and 49 is 32.5.
    foreground = masks[0] > 0.5
    assert foreground[:, :49].all()
    assert not foreground[:, 49:].any()
    assert torch.equal(made.scores, torch.tensor([0.9]))
    assert [kept.tolist() for kept in made.suppressed()] == [[0]]
    assert made.masks_of(torch.tensor([]).long(), [0]).shape == (0, 16, 96)


def test_the_same_size_changes_nothing_but_the_stride() -> None:
    given = left_halves([(32, 64)], [1.0])
    made = in_resized_images(given, [(32, 64)])
    assert torch.equal(made.boxes, given.boxes)
    # Row 2 + 4 i of the mask is row i of the cells.
    cells = given.masks_of(torch.tensor([0]), [1])[:, :8, :16]
    assert torch.equal(made.masks_of(torch.tensor([0]), [1])[:, 2::4, 2::4], cells)


@pytest.fixture
def batch() -> list[dict[str, Any]]:
    """Two images: one mirrored, of half the teacher's size, and one of the teacher's size."""
    images = [torch.randint(0, 256, size, dtype=torch.uint8) for size in ((3, 16, 24), (3, 32, 32))]
    return [
        {
            "image": image,
            "height": 64,
            "student_view": View(image.shape[1], image.shape[2], flipped),
            "teacher_image": torch.zeros(3, 40, 40),
            "teacher_view": View(40, 40),
        }
        for image, flipped in zip(images, (True, False), strict=True)
    ]


def test_own_frame(batch: list[dict[str, Any]]) -> None:
    teacher = Watching()
    predicted, views = OwnFrame()(teacher, batch)
    assert all(shown is x["teacher_image"] for shown, x in zip(teacher.shown, batch, strict=True))
    assert views == [View(40, 40)] * 2
    assert predicted.image_sizes == [(40, 40)] * 2


def test_student_frame(batch: list[dict[str, Any]]) -> None:
    teacher = Watching()
    predicted, views = StudentFrame(32, 100)(teacher, batch)
    # The student's own pixels, mirrored or not, as floating-point numbers.
    assert [shown.shape for shown in teacher.shown] == [(3, 32, 48), (3, 32, 32)]
    assert torch.equal(teacher.shown[1], batch[1]["image"].float())
    # Twice the size: pixel (0, 0) repeats, (0, 1) is three quarters of it and one of its neighbour.
    pixels = batch[0]["image"][:, 0].float()
    torch.testing.assert_close(teacher.shown[0][:, 0, 0], pixels[:, 0])
    between = 0.75 * pixels[:, 0] + 0.25 * pixels[:, 1]
    torch.testing.assert_close(teacher.shown[0][:, 0, 1], between)
    assert views == [x["student_view"] for x in batch]
    assert predicted.boxes.tolist() == [[-1.0, 0.0, 12.0, 16.0], [-2.0, 0.0, 16.0, 32.0]]
    assert predicted.image_sizes == [(16, 24), (32, 32)]
    assert predicted.original_scales == [4.0, 2.0]
    # Masks of images of several sizes come on one grid.
    masks = predicted.masks_of(torch.tensor([0, 1, 1]), [1, 2])
    assert masks.shape == (3, 32, 32)
    assert torch.equal(masks[1], masks[2])
    assert not masks[0, 16:].any()
    assert not masks[0, :, 24:].any()
    for place, (height, width) in ((0, (16, 24)), (1, (32, 32))):
        inside = masks[place, :height, :width] > 0.5
        assert inside[:, : width // 2 - 1].all()
        assert not inside[:, width // 2 + 1 :].any()


def test_the_long_side_limits_the_teacher_s_image(batch: list[dict[str, Any]]) -> None:
    teacher = Watching()
    StudentFrame(32, 36)(teacher, batch[:1])
    assert teacher.shown[0].shape == (3, 24, 36)
