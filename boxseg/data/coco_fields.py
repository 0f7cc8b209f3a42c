"""The fields of COCO's JSON that every entry must have, and the values they may hold."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

from boxseg.data.annotation_rules import are_finite
from boxseg.data.entries import Defect

ABSENT: Any = object()


@dataclass(frozen=True)
class Field:
    """A field of an entry: its name, which values it may hold, and what they mean."""

    name: str
    holds: Callable[[Any], bool]
    meaning: str


def is_id(value: object) -> TypeGuard[int]:
    """Whether a JSON value is a whole number of at most 64 bits."""
    return type(value) is int and -(2**63) <= value < 2**63


def _is_size(value: object) -> bool:
    # JPEG ends there, and pycocotools counts an image's pixels in 32 bits.
    return type(value) is int and 0 < value < 2**16


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_flag_or_absent(value: object) -> bool:
    return value is ABSENT or value in (0, 1)


def is_box(value: object) -> TypeGuard[list[float]]:
    """Whether a JSON value is a list of four finite numbers."""
    return isinstance(value, list) and len(value) == 4 and are_finite(value)


_ID = Field("id", is_id, "a whole number")
IMAGE = (
    _ID,
    Field("file_name", _is_text, "the name of its file"),
    Field("width", _is_size, "its width in pixels, a whole number from 1 to 65535"),
    Field("height", _is_size, "its height in pixels, a whole number from 1 to 65535"),
)
CATEGORY = (_ID, Field("name", _is_text, "a name"))
ANNOTATION = (
    _ID,
    Field("image_id", is_id, "the id of its image, a whole number"),
    Field("category_id", is_id, "the id of its category, a whole number"),
    Field("bbox", is_box, "its box [x, y, width, height], four finite numbers"),
    Field("iscrowd", _is_flag_or_absent, "0 or 1, or leave it out"),
)


def entry_name(noun: str, list_name: str, index: int, entry: dict[str, Any]) -> str:
    """How messages name an entry: by its id, or by its place where it has no usable one."""
    return f"{noun} {entry['id']}" if is_id(entry.get("id")) else f"{list_name}[{index}]"


def field_defect(where: str, entry: dict[str, Any], field: Field) -> Defect:
    """What is wrong with a field that `Field.holds` refuses."""
    if field.name not in entry:
        return Defect("missing field", where, f"has no `{field.name}`", f"give it {field.meaning}")
    value = reprlib.repr(entry[field.name])
    return Defect(
        "ill-typed field", where, f"has `{field.name}` {value}", f"give it {field.meaning}"
    )
