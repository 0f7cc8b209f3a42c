"""What two splits of a dataset must have in common, and what they must not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from boxseg.data.box_only import sha256_of_file
from boxseg.data.check import SplitCheck
from boxseg.data.dataset import Dataset
from boxseg.data.entries import Defect
from boxseg.errors import InputError

_EXAMPLES = 5


def disagreements(dataset: Dataset, checks: Sequence[SplitCheck]) -> Iterator[Defect]:
    """Splits of other categories than the training split's, and images both trained on and scored.

    Args:
        dataset: where the splits are.
        checks: of those examined.
    """
    by_name = {check.name: check for check in checks}
    train = by_name.get(dataset.train or "")
    if train is None:
        return
    for check in checks:
        if check.category_table and check.category_table != train.category_table:
            yield _other_categories(check, train)
    evaluate = by_name.get(dataset.evaluate or "")
    if evaluate is not None and evaluate is not train:
        yield from _shared_images(dataset, train, evaluate)


def _other_categories(check: SplitCheck, train: SplitCheck) -> Defect:
    differing = sorted(
        {category.name for category in set(check.category_table) ^ set(train.category_table)}
    )
    more = ", ..." if len(differing) > _EXAMPLES else ""
    return Defect(
        "other categories",
        f"split {check.name}",
        f"has other categories than split {train.name} ({', '.join(differing[:_EXAMPLES])}{more}), "
        "so that one cannot be trained on and the other evaluated",
        "make their `categories` lists equal, ids and names",
    )


def _shared_images(dataset: Dataset, train: SplitCheck, evaluate: SplitCheck) -> Iterator[Defect]:
    """Images of the same name and the same bytes; a copy by another name is not found."""
    folders = [dataset.split(check.name).images for check in (train, evaluate)]
    trained = {image.file_name for image in train.image_table}
    for image in evaluate.image_table:
        if image.file_name in trained and _same(*(f / image.file_name for f in folders)):
            yield Defect(
                "shared image",
                f"image {image.id} of split {evaluate.name}",
                f"is the file {image.file_name} of split {train.name}, so that it would be "
                "evaluated on what was trained on",
                "remove it from one of them",
            )


def _same(one: Path, other: Path) -> bool:
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        return sha256_of_file(one) == sha256_of_file(other)
    except (OSError, ValueError, InputError):
        return False
