"""Labels in letters that the usual font has not."""

from __future__ import annotations

import logging

import matplotlib.ft2font
import numpy as np
import pytest

from boxseg.fonts import readable
from boxseg.overlays import draw_overlay

LABELS = ("cat 0.93", "Kröte", "кошка", "猫 0.93", "犬 0.93", "𒀀", "𒀁")


@pytest.mark.parametrize("label", LABELS)
def test_every_letter_that_is_drawn_is_in_the_font(label: str) -> None:
    text, file = readable(label)
    known = matplotlib.ft2font.FT2Font(str(file)).get_charmap()
    assert {ord(letter) for letter in text} <= known.keys()


def test_letters_of_the_usual_font_are_drawn_as_they_are() -> None:
    for label in LABELS[:3]:
        text, file = readable(label)
        assert (text, file.name) == (label, "DejaVuSans.ttf")


def test_decomposed_letters_are_drawn_as_one() -> None:
    assert readable("Kro\u0308te") == readable("Kröte")


def test_what_no_font_knows_is_written_in_code_points_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    label = "unicorn \u0378"  # a code point that means nothing
    with caplog.at_level(logging.WARNING):
        found = {readable(label)[0] for _ in range(2)}
    if label.isprintable():
        assert found == {"unicorn \\u0378"}
        assert len(caplog.records) == 1


def test_different_names_look_different() -> None:
    pixels = np.zeros((60, 60, 3), dtype=np.uint8)
    box, mask = np.array([[0.0, 20, 59, 59]]), np.zeros((1, 60, 60), dtype=bool)
    drawn = [np.asarray(draw_overlay(pixels, box, mask, [label])) for label in LABELS]
    for number, picture in enumerate(drawn):
        assert all((picture != other).any() for other in drawn[:number])
