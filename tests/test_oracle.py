"""The oracle's pseudo masks, and that its draws go on after a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.errors import InputError
from boxseg.mask_overlap import mask_iou
from boxseg.oracle import OracleLabeller, mask_coverage, trimmed
from boxseg.pseudo_labels import PseudoMasks, TeacherPredictions
from boxseg.teacher_frame import labels_in_view
from boxseg.views import View


def nothing() -> TeacherPredictions:
    """A teacher that predicts nothing, which the oracle does not look at."""
    return TeacherPredictions(
        boxes=torch.zeros(0, 4),
        scores=torch.zeros(0),
        classes=torch.zeros(0).long(),
        counts=[0],
        image_sizes=[(24, 32)],
        original_scales=[1.0],
        mask_stride=4,
        masks_of=lambda indices, counts: torch.zeros(0, 6, 8),
        suppressed=lambda: [torch.arange(0)],
    )


def objects_with(masks: Tensor) -> Instances:
    objects = Instances((24, 32))
    objects.gt_boxes = Boxes(torch.tensor([[0.0, 0, 32, 24]] * len(masks)))
    objects.true_masks = masks
    return objects


def rectangle() -> Tensor:
    """In 6 x 8 cells of 4 pixels, rows 1 to 4 of columns 2 to 6; a second mask is empty."""
    masks = torch.zeros(2, 24, 32, dtype=torch.bool)
    masks[0, 4:20, 8:28] = True
    return masks


def discs(count: int, height: int, width: int) -> Tensor:
    """Of a radius of 8 to 20 pixels, inside the image: bool (count, height, width)."""
    generator = torch.Generator().manual_seed(3)
    radius = 8 + 12 * torch.rand(count, 1, 1, generator=generator)
    y, x = (
        radius + (size - 2 * radius) * torch.rand(count, 1, 1, generator=generator)
        for size in (height, width)
    )
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None]
    return (rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 < radius**2


def labels_of(masks: Tensor, stride: int) -> PseudoMasks:
    """The oracle's labels of a teacher with that mask stride."""
    objects = Instances((masks.shape[1], masks.shape[2]))
    objects.true_masks = masks
    return OracleLabeller()(replace(nothing(), mask_stride=stride), [objects])


def test_coverage_by_hand() -> None:
    # Cell 1 of a stride of 4 stands for pixel 6; around it are pixels 4 to 8, so of a mask that
    # begins at pixel 5 it holds 4 / 5 and of one that begins at pixel 7 it holds 2 / 5.
    masks = torch.zeros(2, 12, 12, dtype=torch.bool)
    masks[0, :, 5:] = True
    masks[1, :, 7:] = True
    coverage = mask_coverage(masks, 4)
    torch.testing.assert_close(coverage[0, 1], torch.tensor([0.0, 0.8, 1.0]))
    torch.testing.assert_close(coverage[1, 1], torch.tensor([0.0, 0.4, 1.0]))
    # A stride of 3 has its middle at pixel 4, of pixels 3 to 5; 14 pixels make 5 cells of it.
    assert mask_coverage(masks, 3)[0, 0].tolist() == pytest.approx([0, 1 / 3, 1, 1])
    assert mask_coverage(torch.ones(1, 14, 13, dtype=torch.bool), 3).tolist() == [[[1.0] * 5] * 5]
    assert torch.equal(mask_coverage(masks, 1), masks.float())
    assert mask_coverage(masks[:0], 4).shape == (0, 3, 3)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("height", "width"), [(96, 96), (97, 94)])
def test_the_student_is_given_the_true_masks(
    stride: int, flipped: bool, height: int, width: int
) -> None:
    """Whatever the grid of the teacher's masks and whichever way round the student's image is."""
    teacher, student = View(height, width), View(height, width, flipped)
    truth = discs(50, height, width)
    wanted = truth.flip(2) if flipped else truth
    whole_image = torch.tensor([[0.0, 0, width, height]] * len(truth))
    masks, _ = labels_in_view(labels_of(truth, stride), whole_image, stride, teacher, student)
    given, there = masks[:, 2::4, 2::4], wanted[:, 2::4, 2::4]
    assert mask_iou(masks, wanted).mean() > 0.96
    # What its losses are given, at a stride of 4, is not moved to a side. Cells that held the
    # mask's value at one pixel would move it by a pixel, 0.25 cells, in flipped images.
    assert mask_iou(given, there).mean() > 0.96
    columns = torch.arange(given.shape[2]).float()
    moved = [(m.float().sum(dim=1) @ columns) / m.sum(dim=(1, 2)) for m in (given, there)]
    assert abs((moved[0] - moved[1]).mean()) < 0.1


def test_true_masks_as_they_are() -> None:
    labels = OracleLabeller()(nothing(), [objects_with(rectangle())])
    assert labels.masks.shape == (2, 6, 8)
    assert labels.masks[0].nonzero().tolist() == [[y, x] for y in range(1, 5) for x in range(2, 7)]
    assert labels.valid.tolist() == [True, False]
    assert labels.quality.tolist() == labels.scores.tolist() == [1, 0]
    assert labels.candidates.tolist() == [1, 0]


def test_erosion_takes_a_cell_off_at_every_edge() -> None:
    labels = OracleLabeller(erosion=1)(nothing(), [objects_with(rectangle())])
    assert labels.masks[0].nonzero().tolist() == [[y, x] for y in (2, 3) for x in (3, 4, 5)]
    # Two cells leave nothing of four rows: no pseudo mask.
    assert not OracleLabeller(erosion=2)(nothing(), [objects_with(rectangle())]).valid.any()


def test_objects_of_every_size_are_trimmed_by_the_same_share() -> None:
    """By hand: 5 x 4 cells keep 14, the 6 that no cell beside them is outside of and 8 more."""
    labels = OracleLabeller(kept=0.7)(nothing(), [objects_with(rectangle())])
    inside = {(y, x) for y in (2, 3) for x in (3, 4, 5)}
    left = {(y, x) for y, x in labels.masks[0].nonzero().tolist()}
    assert len(left) == 14
    assert inside < left < {(y, x) for y in range(1, 5) for x in range(2, 7)}
    assert labels.valid.tolist() == [True, False]
    masks = discs(50, 96, 96)
    whole = mask_coverage(masks, 2)
    less = trimmed(whole, 0.7) > 0.5
    areas = (whole > 0.5).flatten(1).sum(dim=1)
    assert torch.equal(less.flatten(1).sum(dim=1), (0.7 * areas).round().long())
    assert not (less & (whole <= 0.5)).any()
    # What is left of a disc is the disc with the root of 0.7 of its radius, around the same place.
    grid = torch.arange(48.0)
    middles = [(m.float().sum(dim=1) @ grid) / m.sum(dim=(1, 2)) for m in (whole > 0.5, less)]
    assert (middles[0] - middles[1]).abs().max() < 0.5
    assert torch.equal(trimmed(whole, 0.0), torch.zeros_like(whole))


def drawn(labeller: OracleLabeller, images: int) -> list[list[bool]]:
    """Which of 10 objects have a mask, image by image."""
    objects = objects_with(torch.ones(10, 24, 32, dtype=torch.bool))
    return [labeller(nothing(), [objects]).valid.tolist() for _ in range(images)]


def test_a_share_of_the_objects_drawn_anew_every_time() -> None:
    first, second, *rest = drawn(OracleLabeller(share=0.3, seed=5), 200)
    assert first != second
    # 2,000 draws: 600, sd 20.5.
    assert sum(map(sum, (first, second, *rest))) == pytest.approx(600, abs=82)
    assert drawn(OracleLabeller(share=0.3, seed=5), 2) == [first, second]


def test_the_draws_go_on_after_a_restart(tmp_path: Path) -> None:
    whole = OracleLabeller(share=0.5, seed=1)
    drawn(whole, 3)
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    resumed = OracleLabeller(share=0.5, seed=1)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert drawn(resumed, 5) == drawn(whole, 5)


@pytest.mark.parametrize(
    ("share", "erosion", "kept"), [(-0.1, 0, 1), (1.1, 0, 1), (0.5, -1, 1), (0.5, 0, 1.1)]
)
def test_values_that_make_no_sense(share: float, erosion: int, kept: float) -> None:
    with pytest.raises(InputError, match="the oracle's share"):
        OracleLabeller(share, erosion, kept)
