"""Outlines and areas of shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from boxseg.data.scenes.fixed_point import EXTENT
from boxseg.data.scenes.shapes import SCENES_B_CATEGORIES, SCENES_CATEGORIES, in_polygon


def test_polygon_by_hand() -> None:
    # The right triangle (0,0) (4,0) (0,4): points with u + v < 4 are inside.
    u, v = np.meshgrid(np.arange(-1, 6, dtype=np.int32), np.arange(-1, 6, dtype=np.int32))
    inside = in_polygon(u, v, [(0, 0), (4, 0), (0, 4)])
    expected = {(a, b) for a in range(4) for b in range(4) if a + b < 4}
    assert {(int(a), int(b)) for a, b in zip(u[inside], v[inside], strict=True)} == expected


@pytest.mark.parametrize(
    ("name", "trait", "share"),
    [
        ("disc", 0, math.pi / 4),
        ("triangle", 40, 1 / 2),  # leaning does not change the area
        ("box", 0, 1.0),
        ("ring", 0, math.pi / 4 * (1 - (530 / 1024) ** 2)),
        # Arms 2 * 270 of 2048 wide: two of them less the square they share.
        ("cross", 0, 2 * (540 / 2048) - (540 / 2048) ** 2),
        ("hexagon", 0, 3 * math.sqrt(3) / 2 / 4),
        ("frame", 0, 1 - (520 / 1024) ** 2),
        # Shaft 1024 by 540 and head of height 1024 over a base of 2048, in a square of 2048.
        ("arrow", 0, (1024 * 540 + 1024 * 2048 / 2) / 2048**2),
    ],
)
def test_area_of_a_shape(name: str, trait: int, share: float) -> None:
    category = next(c for c in (*SCENES_CATEGORIES, *SCENES_B_CATEGORIES) if c.name == name)
    ticks = np.arange(-EXTENT, EXTENT, 4, dtype=np.int32) + 2
    u, v = np.meshgrid(ticks, ticks)
    assert np.mean(category.covers(u, v, trait)) == pytest.approx(share, abs=0.006)
