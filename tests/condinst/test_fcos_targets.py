"""Which cell belongs to which object, worked by hand on a 32-pixel image.

Two levels: stride 4 with cells at 2, 6, ..., 30 and objects up to 16 pixels from the cell; stride 8
with cells at 4, 12, 20, 28 and the larger objects. A centre is sampled 1.5 strides around: 6 and 12
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.condinst.fcos_targets import DetectionTargets, TargetAssigner
from boxseg.condinst.locations import cell_locations
from tests.condinst.tiny import objects

BACKGROUND = 5
CELLS = (64, 16)
LOCATIONS = [cell_locations(32 // s, 32 // s, s, torch.device("cpu")) for s in (4, 8)]


def assign(
    images: Sequence[Instances], centers: Sequence[Tensor] | None = None
) -> DetectionTargets:
    assigner = TargetAssigner((4, 8), (16,), 1.5, BACKGROUND)
    if centers is None:
        centers = [image.gt_boxes.get_centers() for image in images]
    return assigner(LOCATIONS, images, centers)


def positive(targets: DetectionTargets, index: int) -> set[tuple[int, float, float]]:
    """(level, x, y) of an object's cells."""
    chosen = targets.object_index == index
    places = targets.locations[chosen].tolist()
    return {
        (level, x, y) for level, (x, y) in zip(targets.level[chosen].tolist(), places, strict=True)
    }


def test_two_objects_by_hand() -> None:
    # Object 0, centre (8, 8). Stride 4: strictly inside (2, 14) lie 6 and 10, but not 2 and 14; the
    # farthest side is at most 10 away. Stride 8: 4 and 12 lie inside, but their farthest side is 10
    # away, less than 16.
    # Object 1, centre (16, 16). Stride 4: 14 and 18 lie inside (10, 22), but their farthest side is
    # 18 away, more than 16. Stride 8: 12 and 20 lie inside (4, 28), 4 and 28 on its border.
    targets = assign([objects([[2, 2, 14, 14], [0, 0, 32, 32]], [3, 1])])
    assert positive(targets, 0) == {(0, x, y) for x in (6, 10) for y in (6, 10)}
    assert positive(targets, 1) == {(1, x, y) for x in (12, 20) for y in (12, 20)}
    assert (targets.labels[targets.object_index == 0] == 3).all()
    assert (targets.labels[targets.object_index == 1] == 1).all()
    assert (targets.labels[targets.object_index == -1] == BACKGROUND).all()
    # Cell (10, 6) of stride 4 is row 1, column 2: 8, 4, 4, 8 pixels from object 0's sides.
    assert targets.locations[8 + 2].tolist() == [10, 6]
    assert targets.box_distances[8 + 2].tolist() == [2, 1, 1, 2]
    # Cell (12, 20) of stride 8 is row 2, column 1: 12, 20, 20, 12 pixels from object 1's sides.
    assert targets.locations[64 + 8 + 1].tolist() == [12, 20]
    assert targets.box_distances[64 + 8 + 1].tolist() == [1.5, 2.5, 2.5, 1.5]


def test_sampling_square_is_cut_to_the_box() -> None:
    # Around (6, 6) cells 2, 6, 10 of stride 4 lie inside (0, 12), but the box begins at 4.
    targets = assign([objects([[4, 4, 15, 15]], [0])], [torch.tensor([[6.0, 6.0]])])
    assert positive(targets, 0) == {(0, x, y) for x in (6, 10) for y in (6, 10)}


def test_size_ranges_include_both_ends() -> None:
    # From cell (6, 6) of stride 4 the box's right side is exactly 16 away.
    upper = assign([objects([[4, 4, 22, 10]], [0])], [torch.tensor([[6.0, 6.0]])])
    assert (0, 6, 6) in positive(upper, 0)
    # From cell (4, 4) of stride 8 it is exactly 16 away, too.
    lower = assign([objects([[0, 0, 20, 10]], [0])], [torch.tensor([[4.0, 4.0]])])
    assert (1, 4, 4) in positive(lower, 0)
    # A hair farther, or nearer, it is not.
    farther = assign([objects([[4, 4, 22.01, 10]], [0])], [torch.tensor([[6.0, 6.0]])])
    assert (0, 6, 6) not in positive(farther, 0)
    nearer = assign([objects([[0, 0, 19.99, 10]], [0])], [torch.tensor([[4.0, 4.0]])])
    assert (1, 4, 4) not in positive(nearer, 0)


@pytest.mark.parametrize("small_first", [True, False])
def test_smallest_object_wins(small_first: bool) -> None:
    # Both hold the cells (6, 6), (10, 6), (6, 10), (10, 10); 144 pixels against 168.
    boxes = [[2, 2, 14, 14], [2, 2, 16, 14]]
    if not small_first:
        boxes.reverse()
    center = torch.tensor([[8.0, 8.0], [8.0, 8.0]])
    targets = assign([objects(boxes, [0, 1])], [center])
    small = 0 if small_first else 1
    assert positive(targets, small) == {(0, x, y) for x in (6, 10) for y in (6, 10)}
    assert positive(targets, 1 - small) == set()


def test_image_without_objects_in_a_batch() -> None:
    first = objects([[2, 2, 14, 14], [16, 2, 30, 14]], [0, 1])
    last = objects([[2, 18, 14, 30]], [2])
    targets = assign([first, objects([], []), last])
    # Objects are counted over the batch: the last image's only one is number 2.
    assert sorted(set(targets.object_index.tolist())) == [-1, 0, 1, 2]
    assert (targets.image_index[targets.object_index == 2] == 2).all()
    assert (targets.object_index[targets.image_index == 1] == -1).all()
    assert (targets.labels[targets.image_index == 1] == BACKGROUND).all()
    assert positive(targets, 2) == {(0, x, y) for x in (6, 10) for y in (22, 26)}


def test_no_objects_at_all() -> None:
    targets = assign([objects([], []), objects([], [])])
    assert (targets.labels == BACKGROUND).all()
    assert (targets.object_index == -1).all()


def test_order_of_the_cells() -> None:
    """Level slowest, then image, then row, then column."""
    targets = assign([objects([], []), objects([[2, 2, 14, 14]], [4])])
    fine, coarse = CELLS
    assert targets.level.tolist() == [0] * 2 * fine + [1] * 2 * coarse
    images = [0] * fine + [1] * fine + [0] * coarse + [1] * coarse
    assert targets.image_index.tolist() == images
    expected = torch.cat([LOCATIONS[0], LOCATIONS[0], LOCATIONS[1], LOCATIONS[1]])
    assert torch.equal(targets.locations, expected)
    # Cells (6, 6) ... of image 1: rows 1 and 2, columns 1 and 2 of its stride-4 map.
    cells = [fine + 8 * row + column for row in (1, 2) for column in (1, 2)]
    assert (targets.labels == 4).nonzero().squeeze(1).tolist() == cells


def test_images_do_not_influence_one_another() -> None:
    first = objects([[2, 2, 14, 14], [0, 0, 32, 32], [3, 3, 9, 13]], [0, 1, 2])
    second = objects([[16, 4, 29, 18]], [3])
    together = assign([first, second])
    for number, (alone, offset) in enumerate([(assign([first]), 0), (assign([second]), 3)]):
        own = together.image_index == number
        assert torch.equal(together.labels[own], alone.labels)
        found = alone.object_index >= 0
        assert torch.equal(together.object_index[own][found], alone.object_index[found] + offset)
        assert torch.equal(together.box_distances[own][found], alone.box_distances[found])


def test_sizes_of_interest_must_fit_the_levels() -> None:
    with pytest.raises(ValueError, match="2 levels need 1 sizes"):
        TargetAssigner((4, 8), (16, 32), 1.5, 1)
