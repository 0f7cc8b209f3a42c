"""Lists of image ids, one a line: subsets of a split to train on."""

from __future__ import annotations

import re
from pathlib import Path

from boxseg.errors import InputError

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


def read_id_list(file: Path | str) -> frozenset[int]:
    """Image ids of a list; blank lines, and what follows a #, are skipped.

    Raises:
        InputError: the file cannot be read, lists no id, an id twice, or something else.
    """
    path = Path(file).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows write a mark
    except OSError as error:
        raise InputError(
            f"cannot read the id list {path}: {error.strerror or error}; check the path."
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"the id list {path} is not UTF-8 text; write one image id a line."
        ) from None
    lines: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        if not _WHOLE_NUMBER.fullmatch(word):
            raise InputError(
                f"line {number} of the id list {path} is {word[:40]!r}, no image id; write one "
                "whole number a line."
            )
        first = lines.setdefault(int(word), number)
        if first != number:
            raise InputError(
                f"the id list {path} has image {int(word)} on lines {first} and {number}; "
                "remove one of them."
            )
    if not lines:
        raise InputError(f"the id list {path} lists no image; write one image id a line.")
    return frozenset(lines)
