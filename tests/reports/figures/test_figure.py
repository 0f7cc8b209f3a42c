from __future__ import annotations

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from boxseg.errors import InputError
from reports.figures import Figure, write_figures
from reports.figures.figure import INK, LINES, MARKERS, ONE_COLUMN, PALETTE, TWO_COLUMNS, row_style
from tests.reports.figures.conftest import Report

SVG = "{http://www.w3.org/2000/svg}"


def test_an_svg_is_one_element_that_keeps_to_itself(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        root = ElementTree.fromstring(figure.svg)
        assert root.tag == f"{SVG}svg"
        assert figure.svg.startswith("<svg ")
        for foreign in ("<style", "<metadata", "<?xml", "<!DOCTYPE", "date"):
            assert foreign not in figure.svg


def test_identifiers_are_the_figure_s_own_and_all_references_lead_somewhere(
    fixture_report: Report,
) -> None:
    seen: set[str] = set()
    for figure in fixture_report.figures:
        own = re.findall(r'\bid="([^"]*)"', figure.svg)
        assert len(own) == len(set(own))
        assert not seen & set(own)
        seen |= set(own)
        assert all(name.startswith(f"{figure.name}-") for name in own)
        assert set(re.findall(r"(?:href=\"|url\()#([\w-]+)", figure.svg)) <= set(own)


def test_ink_is_that_of_the_page_and_nothing_covers_its_ground(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        assert INK not in figure.svg
        assert "currentColor" in figure.svg
        assert not re.search(r"fill: #(fff|ffffff|000|000000)\b", figure.svg)
        # A text without a fill would be black on a dark page.
        for text in ElementTree.fromstring(figure.svg).iter(f"{SVG}text"):
            assert "currentColor" in text.get("style", "") + text.get("fill", "")


def test_text_is_text_of_at_least_seven_points(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        texts = list(ElementTree.fromstring(figure.svg).iter(f"{SVG}text"))
        assert len(texts) > 5
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", figure.svg)]
        # A user unit of matplotlib's SVGs is a point.
        assert len(sizes) == len(texts)
        assert min(sizes) >= 7


def test_drawings_are_as_wide_as_a_column_or_a_page(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        width = float(ElementTree.fromstring(figure.svg).get("width", "").removesuffix("pt"))
        assert any(width == pytest.approx(72 * w, abs=0.01) for w in (ONE_COLUMN, TWO_COLUMNS))


def test_nothing_is_cut_off_at_the_edge_of_the_white_picture(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        picture = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))
        assert (picture < 128).any()
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (edge == 255).all(), figure.name


def test_rows_differ_in_more_than_colour() -> None:
    assert len(set(PALETTE)) == len(PALETTE)
    styles = [row_style(place) for place in range(28)]
    assert len({(style.color, str(style.line)) for style in styles}) == 28
    for place in range(28):
        near = styles[place : place + min(len(LINES), len(MARKERS))]
        assert len({str(style.line) for style in near}) == len(near)
        assert len({style.marker for style in near}) == len(near)


def test_files(tmp_path: Path) -> None:
    figures = [Figure(name, "t", "c", "a", f"<svg>{name}</svg>", b"png") for name in ("a", "b")]
    files = write_figures(figures, tmp_path / "new")
    assert [file.name for file in files] == ["a.svg", "a.png", "b.svg", "b.png"]
    assert files[2].read_text() == "<svg>b</svg>"
    assert files[3].read_bytes() == b"png"
    assert sorted(tmp_path.rglob("*.*")) == sorted(files)  # no temporary file is left


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_figures([Figure("a", "t", "c", "a", "<svg/>", b"")], tmp_path / "file")
