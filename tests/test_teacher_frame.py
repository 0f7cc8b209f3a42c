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
from boxseg.teacher_frame import OwnFrame, StudentFrame, in_resized_image
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
    ) -> list[TeacherPredictions]:
        self.shown = list(images)
        return [
            left_half(image.shape[1], image.shape[2], height / image.shape[1])
            for image, height in zip(images, original_heights, strict=True)
        ]


def left_half(height: int, width: int, original_scale: float) -> TeacherPredictions:
    """One prediction, with masks at stride 4 that reach past the image, as padding makes them."""
    mask = torch.zeros(1, height // 4 + 3, width // 4 + 5)
    mask[:, :, : width // 8] = 1.0
    return TeacherPredictions(
        boxes=torch.tensor([[-2.0, 0.0, width / 2, height]]),
        scores=torch.tensor([0.9]),
        classes=torch.tensor([3]),
        image_size=(height, width),
        original_scale=original_scale,
        mask_stride=4,
        masks_of=lambda indices: mask[indices],
        suppressed=lambda: torch.tensor([0]),
    )


def test_predictions_in_the_pixels_of_a_resized_image_by_hand() -> None:
    # 32 x 64 pixels become 16 x 96: y is halved and x is 1.5 times as large.
    made = in_resized_image(left_half(32, 64, original_scale=3.0), (16, 96))
    assert made.boxes.tolist() == [[-3.0, 0.0, 48.0, 16.0]]  # not clipped
    assert made.image_size == (16, 96)
    assert made.original_scale == 6.0  # 96 original rows for 16
    assert made.mask_stride == 1
    masks = made.masks_of(torch.tensor([0]))
    assert masks.shape == (1, 16, 96)
    # Stride 4 puts cell 7, the object's last, at column 30 and cell 8 at column 34, so the mask
    # falls to one half at column 32. Column j of 96 is column (j + 0.5) / 1.5 - 0.5 of 64: 48 is
    # 31.8 and 49 is 32.5.
    foreground = masks[0] > 0.5
    assert foreground[:, :49].all()
    assert not foreground[:, 49:].any()
    assert torch.equal(made.scores, torch.tensor([0.9]))
    assert made.suppressed().tolist() == [0]
    assert made.masks_of(torch.tensor([]).long()).shape == (0, 16, 96)


def test_the_same_size_changes_nothing_but_the_stride() -> None:
    given = left_half(32, 64, 1.0)
    made = in_resized_image(given, (32, 64))
    assert torch.equal(made.boxes, given.boxes)
    # Row 2 + 4 i of the mask is row i of the cells.
    cells = given.masks_of(torch.tensor([0]))[:, :8, :16]
    assert torch.equal(made.masks_of(torch.tensor([0]))[:, 2::4, 2::4], cells)


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
    proposed = OwnFrame()(teacher, batch)
    assert all(shown is x["teacher_image"] for shown, x in zip(teacher.shown, batch, strict=True))
    assert [view for _, view in proposed] == [View(40, 40)] * 2
    assert [predicted.image_size for predicted, _ in proposed] == [(40, 40)] * 2


def test_student_frame(batch: list[dict[str, Any]]) -> None:
    teacher = Watching()
    (first, first_view), (second, second_view) = StudentFrame(32, 100)(teacher, batch)
    # The student's own pixels, mirrored or not, as floating-point numbers.
    assert [shown.shape for shown in teacher.shown] == [(3, 32, 48), (3, 32, 32)]
    assert torch.equal(teacher.shown[1], batch[1]["image"].float())
    # Twice the size: pixel (0, 0) repeats, (0, 1) is three quarters of it and one of its neighbour.
    pixels = batch[0]["image"][:, 0].float()
    torch.testing.assert_close(teacher.shown[0][:, 0, 0], pixels[:, 0])
    between = 0.75 * pixels[:, 0] + 0.25 * pixels[:, 1]
    torch.testing.assert_close(teacher.shown[0][:, 0, 1], between)
    assert [first_view, second_view] == [x["student_view"] for x in batch]
    assert first.boxes.tolist() == [[-1.0, 0.0, 12.0, 16.0]]
    assert [first.image_size, second.image_size] == [(16, 24), (32, 32)]
    assert [first.original_scale, second.original_scale] == [4.0, 2.0]


def test_the_long_side_limits_the_teacher_s_image(batch: list[dict[str, Any]]) -> None:
    teacher = Watching()
    StudentFrame(32, 36)(teacher, batch[:1])
    assert teacher.shown[0].shape == (3, 24, 36)
