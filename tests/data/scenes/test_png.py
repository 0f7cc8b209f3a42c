"""Images as PNG files without compression."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from boxseg.data.scenes.png import encode_png, png_bytes
from boxseg.data.scenes.stream import RandomStream


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None)
def test_png_gives_the_pixels_back(shape: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    written = encode_png(image)
    assert len(written) == png_bytes(*shape)
    with Image.open(io.BytesIO(written)) as opened:
        assert opened.mode == "RGB"
        assert np.array_equal(np.asarray(opened), image)


def test_png_of_several_blocks() -> None:
    # 200 rows of 1 + 600 bytes are 120,200: two stored blocks, of 65,535 and 54,665 bytes.
    image = RandomStream("png").octets(200 * 200 * 3).reshape(200, 200, 3).astype(np.uint8)
    written = encode_png(image)
    assert len(written) == png_bytes(200, 200) == 8 + 3 * 12 + 13 + 2 + 2 * 5 + 120_200 + 4
    with Image.open(io.BytesIO(written)) as opened:
        assert np.array_equal(np.asarray(opened), image)
