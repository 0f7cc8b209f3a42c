"""The document that every page is: one file with its style, script, figures and gallery in it."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from boxseg.errors import InputError
from boxseg.files import write_text_atomically
from reports.figures.figure import Figure
from reports.formats.files import PAGE_FILE
from reports.formats.html import environment
from reports.page.gallery import GalleryImage, view_gallery

_FOLDER = Path(__file__).parent


def write_document(
    out: Path,
    template: str,
    figures: Sequence[Figure],
    gallery: Sequence[GalleryImage],
    **parts: object,
) -> Path:
    """Write `<out>/index.html` and return it; it loads nothing, and the same parts give its bytes.

    Args:
        out: folder of the page.
        template: beside this module, one that extends `layout.html.j2`.
        figures: shown in this order, their `svg` in the page.
        gallery: shown in this order, their pictures in the page.
        parts: what else the template names.

    Raises:
        InputError: the folder cannot be written, two figures share a name, or a panel of the
            gallery is no PNG or has no alternative text.
    """
    no_name_twice("figures", [figure.name for figure in figures])
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    text = (
        environment(_FOLDER)
        .get_template(template)
        .render(
            parts,
            figures=[(figure, Markup(figure.svg)) for figure in figures],
            gallery=view_gallery(gallery),
            style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )
    path = out / PAGE_FILE
    write_text_atomically(path, text)
    return path


def no_name_twice(what: str, names: Sequence[str]) -> None:
    """Refuse parts of a page that share a name.

    Raises:
        InputError: two do.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(f"two {what} of the page are named '{twice[0]}'; give each once.")
