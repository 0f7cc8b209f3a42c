from __future__ import annotations

import base64

import pytest

from boxseg.errors import InputError
from reports.page.document import GalleryImage, Panel, view_gallery
from tests.reports.page.conftest import png


def image(*panels: Panel) -> GalleryImage:
    return GalleryImage("17", "a caption", panels)


def test_methods_are_listed_once_in_order_of_appearance() -> None:
    first = image(Panel("image", "a", png(0)), Panel("BoxSeg", "b", png(1)))
    second = image(Panel("BoxSeg", "c", png(2)), Panel("SIM", "d", png(3)))
    view = view_gallery([first, second])
    assert view.methods == ("image", "BoxSeg", "SIM")
    assert [panel.method for panel in view.images[1].panels] == [1, 2]


def test_a_picture_is_kept_byte_for_byte_with_its_size() -> None:
    (panel,) = view_gallery([image(Panel("image", "a", png(7)))]).images[0].panels
    assert base64.b64decode(panel.source.removeprefix("data:image/png;base64,")) == png(7)
    assert (panel.width, panel.height) == (48, 32)


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([Panel("BoxSeg", " ", png(0))], "'17', panel 'BoxSeg' has no alternative text"),
        ([Panel("BoxSeg", "a", b"\xff\xd8\xff jpeg")], "'17', panel 'BoxSeg' is not a PNG"),
        ([Panel("A", "a", png(0)), Panel("A", "b", png(1))], "'17' has two panels 'A'"),
    ],
)
def test_what_cannot_be_shown_is_named(panels: list[Panel], message: str) -> None:
    with pytest.raises(InputError, match=message):
        view_gallery([image(*panels)])
