"""The document that every page is, all in one file: figures, gallery, links to runs' files."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from boxseg.errors import InputError
from boxseg.files import write_text_atomically
from reports.figures.figure import Figure
from reports.formats.files import PAGE_FILE
from reports.formats.html import environment
from reports.result_file import RESULT_FILE
from reports.status import LOG_FILE

_FOLDER = Path(__file__).parent

_FILES = (
    ("log", LOG_FILE),
    ("training curve", "metrics.jsonl"),
    ("configuration", "config.yaml"),
    ("result", RESULT_FILE),
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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


@dataclass(frozen=True)
class Panel:
    """One picture of an image.

    Attributes:
        label: whose picture it is: a method, `ground truth` or `image`. Panels of one label are
            one method, which the page lets one follow from image to image.
        alt: what the picture shows, in words, for those who cannot see it.
        png: the picture's file.
        drawn: whether anything is drawn on the image; where there is room for one picture only,
            those come first.
    """

    label: str
    alt: str
    png: bytes
    drawn: bool = True


@dataclass(frozen=True)
class GalleryImage:
    """One image in all its panels.

    Attributes:
        image: the image's identifier in its dataset.
        caption: what it is and by which rule it was chosen.
        panels: in the order in which they stand side by side.
    """

    image: str
    caption: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class PanelView:
    """A picture: `method` is its place in the gallery's list of methods; sizes in pixels."""

    method: int
    label: str
    alt: str
    source: str
    width: int
    height: int
    drawn: bool


@dataclass(frozen=True)
class ImageView:
    """An image with its pictures."""

    name: str
    caption: str
    panels: tuple[PanelView, ...]


@dataclass(frozen=True)
class GalleryView:
    """All images, and the labels of all their panels in order of their first appearance."""

    methods: tuple[str, ...]
    images: tuple[ImageView, ...]


def view_gallery(gallery: Sequence[GalleryImage]) -> GalleryView:
    """Prepare the gallery.

    Raises:
        InputError: a picture is no PNG, has no words for its content, or shares its label with
            another one of its image.
    """
    methods = tuple(dict.fromkeys(panel.label for image in gallery for panel in image.panels))
    place = {label: number for number, label in enumerate(methods)}
    images = []
    for image in gallery:
        labels = [panel.label for panel in image.panels]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise InputError(
                f"gallery image '{image.image}' has two panels '{twice[0]}'; name each method once."
            )
        panels = tuple(_view(image, panel, place[panel.label]) for panel in image.panels)
        images.append(ImageView(image.image, image.caption, panels))
    return GalleryView(methods, tuple(images))


def _view(image: GalleryImage, panel: Panel, method: int) -> PanelView:
    where = f"gallery image '{image.image}', panel '{panel.label}'"
    if not panel.alt.strip():
        raise InputError(f"{where} has no alternative text; say what it shows.")
    if not panel.png.startswith(_SIGNATURE) or panel.png[12:16] != b"IHDR":
        raise InputError(f"{where} is not a PNG; write it as one.")
    width, height = (int.from_bytes(panel.png[at : at + 4], "big") for at in (16, 20))
    source = f"data:image/png;base64,{base64.b64encode(panel.png).decode('ascii')}"
    return PanelView(method, panel.label, panel.alt, source, width, height, panel.drawn)


@dataclass(frozen=True)
class Link:
    """A name, and the address relative to the page."""

    text: str
    href: str


@dataclass(frozen=True)
class RunLinks:
    """A run by its folder below the runs' root, with links to those of its files on this disk."""

    place: str
    files: tuple[Link, ...]


def link_run(place: str, runs: Path | None, page_folder: Path) -> RunLinks:
    """Link the files of the run in `runs / place`; none of them where the run is not here."""
    if runs is None:
        return RunLinks(place, ())
    links = (link_file(text, runs / place / name, page_folder) for text, name in _FILES)
    return RunLinks(place, tuple(link for link in links if link is not None))


def link_file(text: str, file: Path, page_folder: Path) -> Link | None:
    """Link one file by its way from the page's folder; None if it is not there."""
    if not file.is_file():
        return None
    way = Path(os.path.relpath(file.absolute(), page_folder.absolute()))
    return Link(text, quote(way.as_posix()))
