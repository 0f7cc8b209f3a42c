"""Which format a folder is in, told by what lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from boxseg.data.foreign import FORMATS
from boxseg.data.foreign.coco import is_coco
from boxseg.data.foreign.cvat import is_cvat
from boxseg.data.foreign.documents import UnusableFile, read_json_of, read_xml, read_yaml
from boxseg.data.foreign.label_studio import is_label_studio
from boxseg.data.foreign.labelme import is_labelme
from boxseg.data.foreign.pictures import SourceFolder
from boxseg.data.foreign.voc import is_voc
from boxseg.data.foreign.yolo import Labels, is_listing
from boxseg.errors import InputError

_LOOKED_AT = 5  # files of one suffix in one folder: the others will be like them
_JSON: dict[str, Callable[[Any], bool]] = {
    "coco": is_coco,
    "labelme": is_labelme,
    "label-studio": is_label_studio,
}


def recognise(source: SourceFolder) -> str:
    """The format of a folder, one of `boxseg.data.foreign.FORMATS`.

    Raises:
        InputError: nothing tells one, or several are there; the message names what was found.
    """
    found: dict[str, Path] = {}
    for file in _looked_at(source):
        format_name = _format_of(file)
        if format_name is not None:
            found.setdefault(format_name, file)
    labels = Labels(source)
    label = next(filter(None, map(labels.of, source.pictures)), None)
    if label is not None:
        found.setdefault("yolo", label)
    if len(found) == 1:
        return next(iter(found))
    if found:
        listed = " and ".join(
            f"{name} ({file.relative_to(source.root).as_posix()})"
            for name, file in sorted(found.items())
        )
        raise InputError(
            f"{source.root} holds annotations in several formats, {listed}; choose one with "
            "--format."
        )
    raise InputError(
        f"{source.root} holds no annotations in a known format ({', '.join(FORMATS)}) but "
        f"{inventory(source)}; name another folder, or its format with --format."
    )


def inventory(source: SourceFolder) -> str:
    """What lies in a folder: how many files of each suffix, the most frequent first."""
    suffixes = Counter(file.suffix.lower() or "without suffix" for file in source.files)
    return (
        ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(6)) or "no file"
    )


def _looked_at(source: SourceFolder) -> Iterator[Path]:
    seen: Counter[tuple[Path, str]] = Counter()
    for file in source.with_suffix(".json", ".xml", ".yaml", ".yml"):
        kind = file.parent, file.suffix.lower()
        seen[kind] += 1
        if seen[kind] <= _LOOKED_AT:
            yield file


def _format_of(file: Path) -> str | None:
    try:
        match file.suffix.lower():
            case ".json":
                document = read_json_of(file)
                return next((name for name, holds in _JSON.items() if holds(document)), None)
            case ".xml":
                root = read_xml(file)
                return "voc" if is_voc(root) else "cvat" if is_cvat(root) else None
            case _:
                return "yolo" if is_listing(read_yaml(file)) else None
    except UnusableFile:
        return None
