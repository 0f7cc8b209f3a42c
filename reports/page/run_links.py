"""From a run's folder to what of it a reader of the page can open."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports.result_file import RESULT_FILE
from reports.status import LOG_FILE

_FILES = (
    ("log", LOG_FILE),
    ("training curve", "metrics.jsonl"),
    ("configuration", "config.yaml"),
    ("result", RESULT_FILE),
)


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
