"""What a split exercises: objects an image, sizes, and K of Eq. 4."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from boxseg.data.distributions import distributions
from tests.data.coco_documents import annotation, image, write_split


def test_sizes_are_of_masks_and_candidates_of_boxes(tmp_path: Path) -> None:
    split = write_split(
        tmp_path,
        [
            annotation(1, [0, 0, 8, 8], area=9),
            annotation(2, [0, 0, 4, 5], area=10),
            annotation(3, [0, 0, 10, 10], area=90.5),
            annotation(4, [0, 0, 20, 20], iscrowd=1),
        ],
        images=[image(1, "one.png"), image(2, "two.png")],
    )
    found = distributions(split, (10, 90), lambda boxes: (boxes // 20).astype(np.int64))
    assert found.objects_per_image.tolist() == [3, 0]
    assert found.sizes() == (1, 1, 1)
    assert found.candidate_counts.tolist() == [3, 1, 5]
    assert found.lines() == [
        "objects an image: 0 to 3, in the mean 1.5.",
        "areas: 1 small (33%), 1 medium (33%), 1 large (33%); "
        "medium is from 10 to 90 square pixels.",
        "K of Eq. 4: 1 for 33%, 3 for 33%, 5 for 33% of the objects.",
    ]


def test_a_size_without_objects_has_no_precision(tmp_path: Path) -> None:
    split = write_split(tmp_path, [annotation(1, [0, 0, 9, 9], area=50)])
    found = distributions(split, (10, 90), lambda boxes: np.full(len(boxes), 2))
    assert "0 small (0%, so APs does not exist), 1 medium (100%)" in found.lines()[1]


def test_nothing_to_tell_of(tmp_path: Path) -> None:
    found = distributions(write_split(tmp_path, []), (10, 90), lambda boxes: boxes.astype(np.int64))
    assert found.lines() == ["no objects to measure."]
