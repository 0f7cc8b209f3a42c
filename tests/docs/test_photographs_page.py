"""The commands of docs/photographs.md one after the other, on the folder that the first makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxseg.cutouts import learning
from experiments.checkpoints import learned_labeller
from tests.docs.commands import commands
from tests.experiments.command_line import boxseg

PAGE = "docs/photographs.md"
WITHOUT_A_MODEL = 3
"""Commands before the one that trains: import, annotate with what is learnt, and by colours."""
COUNT = 6


def yolo_folder(folder: Path) -> None:
    """Pictures of a bright square on dark ground, two to a picture, with their boxes."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number in range(COUNT):
        pixels = np.full((40, 80, 3), 30 + number, np.uint8)
        pixels[10:30, 10:30] = (200, 40, 40)
        pixels[10:30, 50:70] = (40, 200, 40)
        Image.fromarray(pixels).save(folder / "images" / f"Bär {number}.png")
        lines = ("0 0.25 0.5 0.25 0.5", "1 0.75 0.5 0.25 0.5")
        (folder / "labels" / f"Bär {number}.txt").write_text("\n".join(lines))
    (folder / "classes.txt").write_text("cat\ndog")


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a YOLO folder in it, to type in; learning is short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learned_labeller, "LEAST_ITERATIONS", 2)
    monkeypatch.setattr(learning, "BATCH", 4)
    yolo_folder(tmp_path / "my-labels")
    return tmp_path


def accepted_by_labelme(file: Path) -> list[str]:
    """The labels of a file that has what LabelMe's reader of files asks for."""
    content = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(content["version"], str)
    assert content["imageData"] is None  # so the picture is looked for at `imagePath`
    with Image.open(file.parent / content["imagePath"]) as picture:
        assert picture.size == (content["imageWidth"], content["imageHeight"])
    assert isinstance(content["flags"], dict)
    for shape in content["shapes"]:
        assert isinstance(shape["label"], str)
        assert shape["shape_type"] == "polygon"
        assert shape["group_id"] is None or isinstance(shape["group_id"], int)
        assert isinstance(shape["flags"], dict)
        assert len(shape["points"]) >= 3
        for x, y in shape["points"]:
            assert 0 <= x <= content["imageWidth"] and 0 <= y <= content["imageHeight"]
    return sorted({shape["label"] for shape in content["shapes"]})


def test_from_a_yolo_folder_to_files_that_labelme_opens(reader: Path) -> None:
    printed = commands(PAGE)[:WITHOUT_A_MODEL]
    assert [command.words[0] for command in printed] == ["data", "annotate", "annotate"]
    made = printed[0].words[-1]  # the page: `DIR` is the folder that the first command made
    outs = []
    for command in printed:
        words = [made if word == "DIR" else word for word in command.words]
        outcome = boxseg(*words)
        assert outcome.code == 0, outcome.err
        outs.append(words[words.index("--out") + 1])
    for out in outs[1:]:
        files = sorted((reader / out / "labelme").rglob("*.json"))
        assert len(files) == COUNT
        for file in files:
            assert accepted_by_labelme(file) == ["cat", "dog"]
