"""Objects that a tool draws in several pieces, such as one that something hides in the middle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from boxseg.data.foreign.annotated import AnnotatedObject
from boxseg.data.foreign.geometry import around


def joined(pieces: Iterable[tuple[str | None, AnnotatedObject]]) -> tuple[AnnotatedObject, ...]:
    """One object of all pieces with the same group and category, in the place of the first.

    Args:
        pieces: each with the name of its group; None for an object of its own.
    """
    found: dict[object, AnnotatedObject] = {}
    for group, piece in pieces:
        key: object = object() if group is None else (group, piece.category)
        first = found.get(key)
        found[key] = piece if first is None else _with(first, piece)
    return tuple(found.values())


def _with(first: AnnotatedObject, piece: AnnotatedObject) -> AnnotatedObject:
    corners = [box[side : side + 2] for box in (first.box, piece.box) for side in (0, 2)]
    both = isinstance(first.segmentation, list) and isinstance(piece.segmentation, list)
    return replace(
        first,
        box=around((x, y) for x, y in corners),
        segmentation=[*first.segmentation, *piece.segmentation] if both else None,
    )
