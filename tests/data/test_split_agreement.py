"""What two splits must have in common, and what they must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from boxseg.data.check import check_split
from boxseg.data.dataset import Dataset, Split
from boxseg.data.split_agreement import disagreements
from tests.data.coco_documents import write_split


def found(dataset: Dataset) -> list[tuple[str, str]]:
    checks = [check_split(split) for split in dataset.splits.values()]
    return [(defect.kind, defect.where) for defect in disagreements(dataset, checks)]


def splits(root: Path, **categories: list[dict[str, Any]]) -> dict[str, Split]:
    """Splits of one image each, 1.png, of other pixels in each."""
    made = {}
    for index, (name, listed) in enumerate(categories.items()):
        (root / name).mkdir()
        split = write_split(root / name, [], categories=listed)
        Image.new("RGB", (40, 30), (index, 0, 0)).save(split.images / "1.png")
        made[name] = Split(name, split.annotations, split.images)
    return made


BAR, RING = {"id": 3, "name": "bar"}, {"id": 3, "name": "ring"}


def test_categories_are_those_of_the_training_split(tmp_path: Path) -> None:
    made = splits(tmp_path, train=[BAR], val=[RING], test=[BAR])
    assert found(Dataset("x", made, "train", "val")) == [("other categories", "split val")]
    assert found(Dataset("x", made, None, "val")) == []
    checks = [check_split(split) for split in made.values()]
    (defect,) = disagreements(Dataset("x", made, "train", "val"), checks)
    assert "than split train (bar, ring)" in defect.sentence()


def test_an_image_both_trained_on_and_evaluated_is_found(tmp_path: Path) -> None:
    """Two different photographs may have the same name."""
    made = splits(tmp_path, train=[BAR], val=[BAR])
    dataset = Dataset("x", made, "train", "val")
    assert found(dataset) == []
    (made["val"].images / "1.png").write_bytes((made["train"].images / "1.png").read_bytes())
    assert found(dataset) == [("shared image", "image 1 of split val")]
    assert found(Dataset("x", made, "train", "train")) == []
