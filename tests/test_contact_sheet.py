from __future__ import annotations

from pathlib import Path

import numpy as np

from boxseg.contact_sheet import SIDE, Cutting, cutting_of, write_contact_sheet


def test_a_cutting_is_the_box_with_a_margin_and_its_mask() -> None:
    pixels = np.zeros((100, 200, 3), dtype=np.uint8)
    mask = np.zeros((100, 200), dtype=bool)
    mask[30:50, 40:80] = True
    bare, masked = (np.asarray(cutting_of(pixels, (40, 30, 80, 50), m)) for m in (None, mask))
    assert bare.shape[:2] == (round(SIDE * 26 / 52), SIDE)  # 6 columns and 3 rows on each side
    # In the middle the mask's tint, at the corner none.
    assert masked[55, 110].sum() > bare[55, 110].sum() + 50
    assert np.abs(masked[2, 2].astype(int) - bare[2, 2]).max() < 10


def test_a_box_at_the_edge_of_the_image() -> None:
    pixels = np.full((20, 30, 3), 255, dtype=np.uint8)
    picture = cutting_of(pixels, (0, 0, 30, 20), None)
    assert picture.width == SIDE and abs(picture.height - SIDE * 2 / 3) <= 1


def test_the_page_says_what_is_unsure_and_means_no_markup(tmp_path: Path) -> None:
    picture = cutting_of(np.zeros((9, 9, 3), dtype=np.uint8), (1, 1, 8, 8), None)
    page = write_contact_sheet(
        tmp_path / "sheet.html",
        "Masks for <mine>",
        "2 & more",
        [
            Cutting(picture, 'a "cat"', "<1>.png", 0.25, True),
            Cutting(picture, "dog", "2.png", None, True),
            Cutting(picture, "dog", "3.png", 0.9, False),
        ],
    ).read_text()
    assert "<h1>Masks for &lt;mine&gt;</h1>" in page and "<p>2 &amp; more</p>" in page
    assert "a &quot;cat&quot;: <strong>unsure</strong>, quality 0.25<br>&lt;1&gt;.png" in page
    assert "dog: <strong>unsure</strong>, no mask" in page and "dog: quality 0.90" in page
    assert page.count('class="unsure"') == 2
