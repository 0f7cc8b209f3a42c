"""A gallery as a fragment of HTML, for notebooks; the report's page has its own."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image

from reports.page.document import GalleryImage, Panel

SIDE = 320
"""Greatest side of a picture, in pixels: a notebook is committed with all of them in it."""


def gallery_fragment(images: Sequence[GalleryImage]) -> str:
    """A row of panels per image, its caption below."""
    return "\n".join(
        f"<figure><div style='display:flex;gap:4px'>{''.join(map(_panel, image.panels))}</div>"
        f"<figcaption>{escape(image.caption)}</figcaption></figure>"
        for image in images
    )


def _panel(panel: Panel) -> str:
    picture = Image.open(io.BytesIO(panel.png)).convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=80)
    webp = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f"<div style='flex:1;min-width:0'>{escape(panel.label)}<br>"
        f"<img src='data:image/webp;base64,{webp}' alt='{escape(panel.alt, quote=True)}' "
        "style='width:100%'></div>"
    )
