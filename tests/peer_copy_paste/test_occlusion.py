from __future__ import annotations

import pytest
import torch

from boxseg.box_masks import tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste import VisibleBoxes
from boxseg.peer_copy_paste.occlusion import put_in_front
from boxseg.peer_copy_paste.released import ReleasedVisibility
from tests.peer_copy_paste.scenes import sample_with


def front(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> torch.Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def box_only(box: list[float], size: tuple[int, int] = (12, 12)) -> TrainingSample:
    return sample_with([box], size, valid=[False])


def test_a_side_wholly_hidden_moves_to_the_first_pixel_that_is_not() -> None:
    # Columns 0 to 4 are hidden in all rows of the box, so it starts at x = 5.
    boxes, kept = VisibleBoxes()(box_only([2.5, 1.25, 9.75, 7]), front((12, 12), (0, 0, 5, 12)))
    assert kept.tolist() == [True]
    assert boxes.tolist() == [[5, 1.25, 9.75, 7]]


def test_a_side_hidden_but_for_one_pixel_stays() -> None:
    # The box's rows are 1 to 6; row 6 of the columns is free.
    boxes, _ = VisibleBoxes()(box_only([2.5, 1.25, 9.75, 7]), front((12, 12), (0, 0, 5, 6)))
    assert boxes.tolist() == [[2.5, 1.25, 9.75, 7]]


def test_every_side_can_move_at_once_to_a_window_in_what_is_pasted() -> None:
    hidden = front((12, 12), (0, 0, 12, 12))
    hidden[4:6, 3:8] = False
    boxes, kept = VisibleBoxes(min_visible=0)(box_only([1, 1, 11, 11]), hidden)
    assert boxes.tolist() == [[3, 4, 8, 6]]
    assert kept.tolist() == [True]


def test_a_box_shrinks_to_the_visible_mask() -> None:
    # A disc whose left half is hidden, but not the corners of its box.
    size, box = (12, 12), [0.5, 1, 11.25, 12]
    sample = sample_with([box], size)
    y, x = torch.arange(12)[:, None] - 6, torch.arange(12)[None] - 5.5
    sample.masks[0] = y * y + x * x <= 5.25**2
    boxes, kept = VisibleBoxes()(sample, front(size, (0, 2, 6, 11)))
    assert kept.tolist() == [True]
    # The disc fills columns 1 to 10 and rows 1 to 11. Of columns 1 to 5 row 1 and row 11 are seen,
    # which it meets from column 4 on. Its column 1 was half a pixel inside the box, and stays so.
    visible = sample.masks[0] & ~front(size, (0, 2, 6, 11))
    assert visible.any(dim=0).nonzero()[:, 0].tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert boxes.tolist() == [[3.5, 1, 11.25, 12]]


def test_a_mask_that_ends_within_its_box_keeps_its_distance() -> None:
    # The mask has columns 3 to 8 of a box of columns 1 to 10; columns up to 4 are hidden but for
    # the top row. On the right nothing changes.
    sample = sample_with([[1, 0, 11, 8]], (12, 12))
    sample.masks[0, :, :3] = sample.masks[0, :, 9:] = sample.masks[0, :2] = False
    boxes, _ = VisibleBoxes()(sample, front((12, 12), (0, 1, 5, 12)))
    assert boxes.tolist() == [[3, 0, 11, 8]]
    # What hides nothing of the mask moves no side, unless all of it is hidden.
    boxes, _ = VisibleBoxes()(sample, front((12, 12), (0, 1, 3, 12)))
    assert boxes.tolist() == [[1, 0, 11, 8]]
    boxes, _ = VisibleBoxes()(sample, front((12, 12), (0, 0, 3, 12)))
    assert boxes.tolist() == [[3, 0, 11, 8]]


@pytest.mark.parametrize(("columns_hidden", "stays"), [(8, True), (9, False), (10, False)])
def test_what_nearly_vanishes_is_dropped(columns_hidden: int, stays: bool) -> None:
    # 10 columns, so 0.2, 0.1 and 0 of the box remain; at least 0.15 is asked for.
    _, kept = VisibleBoxes(min_visible=0.15)(
        box_only([0, 0, 10, 4]), front((12, 12), (0, 0, columns_hidden, 12))
    )
    assert kept.tolist() == [stays]


def test_an_object_wholly_hidden_is_dropped_also_without_a_threshold() -> None:
    _, kept = VisibleBoxes(min_visible=0)(box_only([2, 2, 6, 6]), front((12, 12), (0, 0, 8, 8)))
    assert kept.tolist() == [False]


def test_an_object_whose_pseudo_mask_vanishes_is_dropped_though_its_box_is_seen() -> None:
    sample = sample_with([[0, 0, 10, 10]], (12, 12))
    sample.masks[0, 3:] = False
    _, kept = VisibleBoxes(min_visible=0.1)(sample, front((12, 12), (0, 0, 12, 3)))
    assert kept.tolist() == [False]


def test_untouched_objects_keep_every_digit_of_their_boxes() -> None:
    box = [6.123, 6.456, 11.789, 11.9]
    boxes, kept = VisibleBoxes(min_visible=1)(box_only(box), front((12, 12), (0, 0, 6, 12)))
    assert kept.tolist() == [True]
    assert torch.equal(boxes, torch.tensor([box]))


def test_released_rule_keeps_little_moved_boxes_or_large_masks() -> None:
    # Boxes 40 x 20. 10 columns hidden: moved by 10, not more. 11 hidden: moved by 11, and
    # 29 x 20 = 580 px of mask remain, or without a mask 0.
    size = (60, 60)
    rule = ReleasedVisibility(max_moved=10, min_visible_area=300)
    box = [0.0, 0.0, 39.5, 19.5]
    masked = sample_with([box], size)
    bare = sample_with([box], size, valid=[False])
    narrow, wide = front(size, (0, 0, 10, 60)), front(size, (0, 0, 11, 60))
    assert rule(bare, narrow)[1].tolist() == [True]
    assert rule(bare, wide)[1].tolist() == [False]
    boxes, kept = rule(masked, wide)
    assert kept.tolist() == [True]
    assert boxes.tolist() == [[11, 0, 40, 20]]


def test_tight_boxes() -> None:
    masks = torch.zeros(3, 5, 7, dtype=torch.bool)
    masks[0, 2, 3] = True
    masks[1, 0, 6] = masks[1, 4, 1] = True
    assert tight_boxes(masks).tolist() == [[3, 2, 4, 3], [1, 0, 7, 5], [0, 0, 0, 0]]
    assert tight_boxes(masks[:0]).shape == (0, 4)


def test_put_in_front() -> None:
    below = sample_with(
        [[0, 0, 4, 4], [5, 5, 8, 8]], (8, 8), [0.6, 0.7], [0.5, 0.4], [1, 2], image_value=10
    )
    above = sample_with([[2, 0, 5, 4]], (8, 8), [0.9], [0.8], [3], image_value=200)
    result = put_in_front(below, above, VisibleBoxes())
    assert result.boxes.tolist() == [[0, 0, 2, 4], [5, 5, 8, 8], [2, 0, 5, 4]]
    assert result.classes.tolist() == [1, 2, 3]
    assert result.quality.tolist() == pytest.approx([0.6, 0.7, 0.9])
    assert result.scores.tolist() == pytest.approx([0.5, 0.4, 0.8])
    assert result.pasted.tolist() == [False, False, True]
    assert result.masks.flatten(1).sum(dim=1).tolist() == [8, 9, 12]
    # 3 x 4 pixels of 200, the other 52 of 10.
    assert int(result.image[0].sum()) == 12 * 200 + 52 * 10


def test_samples_whose_fields_disagree_are_refused() -> None:
    sample = sample_with([[0, 0, 4, 4]], (8, 8))
    with pytest.raises(ValueError, match="one object each"):
        TrainingSample(**{**vars(sample), "quality": torch.zeros(2)})
    with pytest.raises(ValueError, match="do not fit"):
        TrainingSample(**{**vars(sample), "image": torch.zeros(3, 8, 9, dtype=torch.uint8)})


def test_boxes_that_leave_the_image_are_no_error() -> None:
    sample = sample_with([[-3, -2, 15, 4], [13, 13, 15, 15]], (12, 12), valid=[False, False])
    boxes, kept = VisibleBoxes()(sample, front((12, 12), (0, 0, 6, 12)))
    assert boxes.tolist() == [[6, 0, 12, 4], [13, 13, 15, 15]]
    assert kept.tolist() == [True, True]
