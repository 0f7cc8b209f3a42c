"""What a model remembers of the annotations that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from boxseg.data.entries import Category
from boxseg.errors import InputError


@dataclass(frozen=True)
class TrainedOn:
    """The annotations that a model was trained on.

    Attributes:
        categories: class k of the model means `categories[k]`.
        annotations_sha256: of the file that listed them.
    """

    categories: tuple[Category, ...]
    annotations_sha256: str

    def content(self) -> dict[str, Any]:
        """It in plain containers, as a checkpoint holds it."""
        return {
            "categories": [[one.id, one.name] for one in self.categories],
            "annotations_sha256": self.annotations_sha256,
        }

    @classmethod
    def of(cls, content: dict[str, Any] | None) -> Self | None:
        """What `content` gave; None for a checkpoint that has none, as those of earlier versions.

        Raises:
            TypeError, ValueError, KeyError: it is something else.
        """
        if content is None:
            return None
        categories = tuple(Category(int(id_), str(name)) for id_, name in content["categories"])
        return cls(categories, str(content["annotations_sha256"]))

    def ids_in(self, categories: Sequence[Category], file: str) -> list[int]:
        """The ids that other annotations have for the model's classes, found by their names.

        Args:
            categories: that the other annotations list.
            file: that lists them, to be named.

        Raises:
            InputError: the other annotations list other names, or one twice.
        """
        own, ids = [one.name for one in self.categories], {one.name: one.id for one in categories}
        if len(ids) == len(categories) and ids.keys() == set(own) and len(ids) == len(own):
            return [ids[name] for name in own]
        if [one.name for one in categories] == own:  # a name stands for two classes in both
            return [one.id for one in categories]
        unknown = [name for name in ids if name not in own]
        missing = [name for name in own if name not in ids]
        faults = [
            f"{len(names)} {what} (first: {names[0]!r})"
            for names, what in ((missing, "of its classes missing"), (unknown, "unknown to it"))
            if names
        ]
        raise InputError(
            f"the categories of {file} are not those that the model was trained on: "
            f"{'; '.join(faults) or 'names are there twice'}; name them as they were."
        )
