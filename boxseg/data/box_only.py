"""The box-only twin of a COCO JSON: what box-supervised training may know, and nothing of masks.

`segmentation` is dropped and so is `area`, which COCO measures on the mask. The twin names the file
it was built from with its checksum, so that a twin of other annotations is never trained on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from boxseg.data.coco_json import read_coco_json, sound_content
from boxseg.data.dataset import Split
from boxseg.data.entries import CocoJson
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically

_KEPT = ("id", "image_id", "category_id", "bbox", "iscrowd")


def box_only_path(split_name: str, folder: Path) -> Path:
    """Where a split's box-only JSON is kept; no name that a COCO folder's splits have."""
    return folder / f"boxes_{split_name}.json"


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from None


def write_box_only(annotations: Path, target: Path) -> CocoJson:
    """Write the box-only twin of `annotations` to `target`, unless it is there already.

    Returns:
        The sound content of `annotations`.

    Raises:
        InputError: `annotations` breaks a structural rule, or `target` cannot be written.
    """
    digest = sha256_of_file(annotations)
    document = read_json(annotations)
    content = sound_content(document, annotations)
    if not (target.is_file() and _built_from(read_json(target)) == digest):
        write_json_atomically(target, _without_masks(document, annotations.name, digest), None)
    return content


def read_training_boxes(split: Split) -> CocoJson:
    """What a box-supervised method may know of a split: its box-only JSON, where there is one.

    Raises:
        InputError: a file breaks a structural rule, or the box-only JSON was built from other
            annotations than the split's.
    """
    if split.boxes is None:
        return read_coco_json(split.annotations)
    document = read_json(split.boxes)
    if _built_from(document) != sha256_of_file(split.annotations):
        raise InputError(
            f"{split.boxes} was not built from {split.annotations} as it is now; delete it, or "
            "build it again with `boxseg data prepare`."
        )
    return sound_content(document, split.boxes)


def _without_masks(document: dict[str, Any], source: str, digest: str) -> dict[str, Any]:
    return {
        "info": {
            "description": f"{source} without masks: boxes, categories and crowds only",
            "built_from": {"file": source, "sha256": digest},
        },
        "licenses": document.get("licenses", []),
        "images": document["images"],
        "annotations": [
            {name: annotation[name] for name in _KEPT if name in annotation}
            for annotation in document["annotations"]
        ],
        "categories": document["categories"],
    }


def _built_from(document: Any) -> object:
    node = document
    for name in ("info", "built_from", "sha256"):
        node = node.get(name) if isinstance(node, dict) else None
    return node
