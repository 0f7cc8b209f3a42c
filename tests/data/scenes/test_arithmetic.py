"""Whole-number arithmetic, colours and random numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from boxseg.data.scenes.colours import from_hsv
from boxseg.data.scenes.fixed_point import pixel_centres, sine
from boxseg.data.scenes.stream import RandomStream


def test_sines_in_4096ths() -> None:
    assert [sine(degrees) for degrees in (0, 30, 90, 180, 210, 270)] == [
        0,
        2048,  # 1/2
        4096,
        0,
        -2048,
        -4096,
    ]


def test_pixel_centres_reach_beyond_the_image() -> None:
    # A pixel of a 64-pixel image is 65536 / 64 = 1024 units wide, its centre 512 units in.
    assert pixel_centres(-1, 3, 64).tolist() == [-512, 512, 1536, 2560]


def test_hsv_corners() -> None:
    assert from_hsv(0, 255, 255) == (255, 0, 0)
    assert from_hsv(512, 255, 255) == (0, 255, 0)
    assert from_hsv(1024, 255, 255) == (0, 0, 255)
    assert from_hsv(700, 0, 90) == (90, 90, 90)


@given(bound=st.integers(1, 2**40), key=st.text(max_size=8))
@settings(max_examples=50, deadline=None)
def test_below_stays_below(bound: int, key: str) -> None:
    stream = RandomStream(key)
    assert all(0 <= stream.below(bound) < bound for _ in range(20))


def test_weights_are_frequencies() -> None:
    stream = RandomStream("weights")
    draws = [stream.weighted((("often", 3), ("never", 0), ("seldom", 1))) for _ in range(2000)]
    assert draws.count("never") == 0
    # 1500 expected, standard deviation sqrt(2000 * 3/4 * 1/4) = 19.4
    assert abs(draws.count("often") - 1500) < 80


def test_octets_are_uniform() -> None:
    counts = np.bincount(RandomStream("octets").octets(256_000), minlength=256)
    # 1000 expected of each, standard deviation 31.6
    assert counts.min() > 850
    assert counts.max() < 1150
