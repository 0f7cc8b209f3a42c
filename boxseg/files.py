"""Files that are either whole or absent: written beside their target, then renamed over it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boxseg.errors import InputError

LONGEST_NAME = 255
"""Bytes that a file's name may have on nearly every file system."""


def shortened(name: str, length: int) -> str:
    """A file's name, cut where it has more than `length` bytes, between two letters."""
    whole = os.fsencode(name)
    return name if len(whole) <= length else whole[:length].decode(errors="ignore")


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `target`; on success it replaces `target`.

    The temporary file is flushed to disk before the rename, so that a crash leaves either the old
    file or the new one. On any error it is removed and `target` is left as it was.

    Raises:
        InputError: the folder cannot be created or written, or the disk is full.
    """
    own = f".{os.getpid()}.tmp"
    temporary = target.with_name(f".{shortened(target.name, LONGEST_NAME - len(own) - 1)}{own}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; "
            "free the disk or choose a writable folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # what cannot be removed was never made
            temporary.unlink(missing_ok=True)


def write_text_atomically(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target` so that no reader ever sees half of it."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomically(target: Path, value: Any, indent: int | None = 2) -> None:
    """Write `value` as JSON (keys in the order given, NaN refused) to `target`, whole or not."""
    write_text_atomically(target, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_json(source: Path) -> Any:
    """Read JSON from `source`; a byte order mark before it, as some editors write, is no fault.

    Raises:
        InputError: the file is missing, unreadable or not JSON; the message names the line.
    """
    try:
        return json.loads(source.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{source} does not exist; check the path.") from None
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 text: {error.reason}; rewrite it.") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source} is not valid JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}; mend or restore the file."
        ) from None
    except (RecursionError, ValueError):  # Python's limits on nesting and on digits
        raise InputError(
            f"{source} is nested too deeply or holds a number of thousands of digits; "
            "mend or restore the file."
        ) from None
