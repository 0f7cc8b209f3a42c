"""An SVG that a page can take in: no styles or names that reach beyond it, ink of the page."""

from __future__ import annotations

import re

from reports.figures.style import INK

_SHEET = re.compile(r"\s*<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_PATH = re.compile(r"\bd=\"[^\"]*\"")
_LONG = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r"(\bid=\"|\bhref=\"#|url\(#)")


def tidy(text: str, name: str) -> str:
    """Make matplotlib's SVG fit to stand in a page beside others.

    The XML prolog and the metadata go. The style sheet, which would hold for the whole page,
    becomes an attribute of the root. Every identifier gets `name` as its prefix. Ink becomes
    `currentColor`. Paths keep a hundredth of a point, which halves a page of curves.
    """
    text = text[text.index("<svg") :]
    text = _METADATA.sub("", _SHEET.sub("", text))
    text = text.replace("<svg ", '<svg style="stroke-linejoin: round; stroke-linecap: butt" ', 1)
    text = _PATH.sub(lambda path: _LONG.sub(r"\1", path[0]), text)
    return _ID.sub(rf"\g<1>{name}-", text).replace(INK, "currentColor")
