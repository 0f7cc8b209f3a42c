"""Panels and bounds: what stands in the drawing is what was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.figures.panels import (
    BOX,
    Outlined,
    Picture,
    bounds_figure,
    draw_bounds,
    draw_panels,
    panels_figure,
)

PIXELS = np.full((20, 40, 3), 200, dtype=np.uint8)


def test_every_picture_has_its_panel_title_and_marks() -> None:
    mask = np.zeros((10, 20), dtype=bool)  # at half the size of the pixels
    mask[2:6, 4:12] = True
    marked = Picture("second", PIXELS, marks=[Outlined((8, 4, 24, 12), mask, "0.71", BOX)])
    drawing = draw_panels([[Picture("first", PIXELS), marked], [Picture("grey", mask / 2)]])
    assert [axes.get_title(loc="left") for axes in drawing.axes] == ["first", "second", "grey"]
    plain, second, grey = drawing.axes
    assert not plain.patches
    [box] = second.patches
    assert box.get_bbox().extents.tolist() == [8, 4, 24, 12]
    assert [text.get_text() for text in second.texts] == ["0.71"]
    tint = np.asarray(second.images[1].get_array())
    assert ((tint[..., 3] > 0) == mask).all()
    assert second.images[1].get_extent() == [0, 40, 20, 0]  # mask and pixels share the frame
    assert grey.images[0].get_clim() == (0, 1)


def test_panels_are_the_same_each_time() -> None:
    first, again = (panels_figure("x", "t", "c", "a", [[Picture("p", PIXELS)]]) for _ in range(2))
    assert (first.svg, first.png) == (again.svg, again.png)


def test_bounds_are_drawn_per_threshold() -> None:
    rows = pd.DataFrame(
        {
            "candidates": [1, 2, 1, 2],
            "threshold": [0.0, 0.0, 0.1, 0.1],
            "trials": [100, 100, 90, 99],
            "share_within": [1.0, 0.97, 1.0, 0.96],
            "tightness": [0.1, 0.2, 0.3, 0.4],
            "mean_error": [0.1, 0.1, 0.1, 0.1],
            "mean_bound": [1.0, 0.5, 0.9, 0.4],
        }
    )
    share, tightness, _ = draw_bounds(rows, 0.05).axes
    assert [line.get_ydata().tolist() for line in tightness.lines] == [[0.1, 0.2], [0.3, 0.4]]
    assert share.lines[-1].get_ydata() == pytest.approx([0.95, 0.95])
    assert "96.00%" in bounds_figure("b", "t", rows, 0.05).caption
