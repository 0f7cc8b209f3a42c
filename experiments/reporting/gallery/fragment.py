"""A gallery as a fragment of HTML, for notebooks; the report's page has its own."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from reports.page.gallery import GalleryImage, Panel


def gallery_fragment(images: Sequence[GalleryImage]) -> str:
    """A row of panels per image, its caption below."""
    return "\n".join(
        f"<figure><div style='display:flex;gap:4px'>{''.join(map(_panel, image.panels))}</div>"
        f"<figcaption>{escape(image.caption)}</figcaption></figure>"
        for image in images
    )


def _panel(panel: Panel) -> str:
    png = base64.b64encode(panel.png).decode("ascii")
    return (
        f"<div style='flex:1;min-width:0'>{escape(panel.label)}<br>"
        f"<img src='data:image/png;base64,{png}' alt='{escape(panel.alt, quote=True)}' "
        "style='width:100%'></div>"
    )
