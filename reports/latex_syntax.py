"""Text that LaTeX sets as it is meant, with any engine and no package beyond the format."""

from __future__ import annotations

import re
import unicodedata

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "τ": r"$\tau$",
    "\u00a0": "~",
}
# Combining marks that every engine can put over a letter.
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u0327": "c",
    "\u030a": "r",
    "\u030c": "v",
}
_OPENING = re.compile(r'(?:(?<=[\s(\[])|^)"')
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def text(words: str) -> str:
    """Escape text for LaTeX; characters that it could not set become question marks.

    A hyphen before a number that follows no word is set as a minus sign.
    """
    one_line = _OPENING.sub("“", " ".join(words.split()))
    return "".join(_character(character) for character in _MINUS.sub("−", one_line))


def comment(words: str) -> str:
    """Keep text on the line of its comment."""
    return "% " + " ".join(words.split())


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else "?"
    parts = unicodedata.normalize("NFD", character)
    letter, mark = parts[0], parts[1:]
    if letter.isascii() and letter.isalpha() and mark in _ACCENTS:
        return f"\\{_ACCENTS[mark]}{{{letter}}}"
    return "?"
