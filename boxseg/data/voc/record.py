"""What was prepared: ids, counts and checksum of a converted JSON, kept beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boxseg.data.box_only import sha256_of_file
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically

SCHEMA = 1


def record_path(split: str, folder: Path) -> Path:
    """Where the record of a split is kept."""
    return folder / f"prepared_{split}.json"


def ids_digest(ids: Sequence[int]) -> str:
    """SHA-256 of image ids, in ascending order, one a line."""
    return hashlib.sha256("\n".join(map(str, sorted(ids))).encode()).hexdigest()


def describe(file_name: str, document: dict[str, Any], digest: str) -> dict[str, Any]:
    """The record of a document, and of the SHA-256 of the file that holds it."""
    return {
        "schema": SCHEMA,
        "file": file_name,
        "images": len(document["images"]),
        "annotations": len(document["annotations"]),
        "categories": len(document["categories"]),
        "image_ids_sha256": ids_digest([image["id"] for image in document["images"]]),
        "sha256": digest,
    }


def write_record(record: dict[str, Any], target: Path) -> None:
    """Keep a record; an earlier one has to be the same.

    Raises:
        InputError: the same split was prepared before, with another outcome.
    """
    if target.is_file() and read_json(target) != record:
        raise InputError(
            f"{record['file']} came out otherwise than {target} records; restore the download it "
            "was made from, or delete that record to accept the new one."
        )
    write_json_atomically(target, record)


def verify(file: Path, target: Path, ids: Sequence[int]) -> dict[str, Any]:
    """Compare a JSON prepared earlier with its record `target` and with its image set's `ids`.

    Returns:
        The document in `file`.

    Raises:
        InputError: there is no record, or file, record and image set do not agree.
    """
    if not target.is_file():
        raise InputError(
            f"{file} is there without {target}, which `boxseg data prepare` writes beside it; move "
            "it away and prepare the data again."
        )
    recorded = read_json(target)
    known = recorded if isinstance(recorded, dict) else {}
    digest = sha256_of_file(file)
    if known.get("sha256") != digest:
        raise InputError(
            f"{file} is not the file that was prepared (its SHA-256 is not the one in {target}); "
            "delete both and prepare the data again."
        )
    document: dict[str, Any] = read_json(file)
    if known != describe(file.name, document, digest):
        raise InputError(f"{target} does not describe {file}; delete both and prepare again.")
    if known["image_ids_sha256"] != ids_digest(ids):
        raise InputError(
            f"{file} has other images than its image set has now; delete it and {target.name} and "
            "prepare the data again."
        )
    return document
