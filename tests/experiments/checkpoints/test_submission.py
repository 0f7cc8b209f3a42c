"""The zip for COCO's server: its name, its schema, and the same AP when read again."""

from __future__ import annotations

import copy
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as run_length
from pycocotools.coco import COCO

from boxseg.data.dataset import Split
from boxseg.engine.evaluation import score
from boxseg.errors import InputError
from boxseg.weights.names import ADELAIDET
from experiments.checkpoints.submission import (
    MAX_PER_IMAGE,
    check_submission,
    submitted,
    write_submission,
)
from tests.experiments.command_line import boxseg
from tests.weights.published import published_checkpoint, tiny_segmenter

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("BOXSEG_DATA_SAMPLES") or ROOT.parent / "shared" / "data")
COCO_TINY = SAMPLES / "coco-tiny"
HEIGHT, WIDTH = 20, 30

needs_samples = pytest.mark.skipif(
    not COCO_TINY.is_dir(), reason=f"no {COCO_TINY}; set BOXSEG_DATA_SAMPLES to its parent folder"
)


def read(file: Path) -> list[dict[str, Any]]:
    """The detections in a zip that has one member of its own name."""
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == [f"{file.stem}.json"]
        assert archive.testzip() is None
        found: list[dict[str, Any]] = json.loads(archive.read(f"{file.stem}.json"))
    return found


def write_split(folder: Path) -> Split:
    """Two images and two categories, without annotations."""
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in (4, 9)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}],
    }
    file = folder / "image_info_test-dev2017.json"
    file.write_text(json.dumps(content))
    return Split("test-dev", file, folder, annotated=False)


def detection(image: int = 4, category: int = 90, confidence: float = 0.75) -> dict[str, Any]:
    """A prediction as evaluation saves it."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    mask[3:9, 5:20] = 1
    encoding = run_length.encode(mask)
    encoding["counts"] = encoding["counts"].decode("ascii")
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [5.0, 3.0, 15.0, 6.0],
        "score": confidence,
        "segmentation": encoding,
    }


def submission(folder: Path, found: list[dict[str, Any]], algorithm: str = "boxseg") -> Path:
    """Write a zip to folder/out."""
    (folder / "predictions.json").write_text(json.dumps(found))
    predictions = folder / "predictions.json"
    return write_submission(predictions, write_split(folder), algorithm, folder / "out")


def test_name_and_content(tmp_path: Path) -> None:
    one = detection(confidence=float(np.float32(0.1)))
    file = submission(tmp_path, [one, detection(image=9, category=1)])
    assert file == tmp_path / "out" / "detections_test-dev2017_boxseg_results.zip"
    found = read(file)
    # 0.1 in single precision is 0.10000000149...; one digit tells it from its neighbours.
    assert found[0] == {
        "image_id": 4,
        "category_id": 90,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": one["segmentation"]["counts"]},
        "score": 0.1,
    }
    assert [x["image_id"] for x in found] == [4, 9]


def test_nothing_found(tmp_path: Path) -> None:
    assert read(submission(tmp_path, [])) == []


def test_the_same_detections_make_the_same_file(tmp_path: Path) -> None:
    first = submission(tmp_path, [detection()]).read_bytes()
    assert submission(tmp_path, [detection()]).read_bytes() == first


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9))
def test_rounding_keeps_scores_apart(values: list[float]) -> None:
    rounded = [submitted(detection(confidence=value))["score"] for value in values]
    assert [np.float32(r) for r in rounded] == [np.float32(v) for v in values]
    assert np.argsort(rounded, kind="stable").tolist() == np.argsort(values, kind="stable").tolist()
    assert all(len(repr(r).replace("e-", "").lstrip("0.")) <= 12 for r in rounded)


def fault(change: dict[str, Any]) -> dict[str, Any]:
    """A detection of which something is wrong."""
    wrong = copy.deepcopy(detection())
    for key, value in change.items():
        place, _, last = key.rpartition(".")
        (wrong[place] if place else wrong)[last] = value
    return wrong


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_id": 5}, "detection 1 in .* is of image 5, which the split does not list"),
        ({"category_id": 2}, "detection 1 in .* is of category 2, which the split"),
        ({"score": 1.5}, r"detection 1 in .* is wrong at score \(Input should be less"),
        ({"segmentation.size": [WIDTH, HEIGHT]}, r"of size \[30, 20\] instead of \[20, 30\]"),
        ({"segmentation.counts": "~~"}, "counts cannot be decoded"),
        ({"segmentation.counts": [600]}, "wrong at segmentation.counts"),
    ],
)
def test_what_the_server_would_refuse(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        submission(tmp_path, [detection(), fault(change)])
    assert list((tmp_path / "out").iterdir()) == []


def test_more_than_count(tmp_path: Path) -> None:
    submission(tmp_path, [detection()] * MAX_PER_IMAGE + [detection(image=9)])
    with pytest.raises(InputError, match="image 9 has 101 detections"):
        submission(tmp_path, [detection(image=9)] * (MAX_PER_IMAGE + 1))


def test_another_archive(tmp_path: Path) -> None:
    file = submission(tmp_path, [detection()])
    split = write_split(tmp_path)
    check_submission(file, split, file.stem)
    with pytest.raises(InputError, match=r"has to hold other\.json and nothing else"):
        check_submission(file, split, "other")


@pytest.mark.parametrize("name", ["", "box_seg", "a/b", "-x", "mine!", "a b"])
def test_names_that_the_server_could_not_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="has to consist of letters, digits, dots and hyphens"):
        submission(tmp_path, [], name)


def shaken(annotations: Path, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Most objects of a split, moved by a few pixels, some of the wrong category or found twice."""
    truth = COCO()
    truth.dataset = json.loads(annotations.read_text())
    truth.createIndex()
    found = []
    for annotation in truth.dataset["annotations"]:
        if rng.random() < 0.2:
            continue
        mask = np.roll(truth.annToMask(annotation), rng.integers(-4, 5, 2), (0, 1))
        encoding = run_length.encode(np.asfortranarray(mask))
        category = annotation["category_id"]
        one = {
            "image_id": annotation["image_id"],
            "category_id": category if rng.random() < 0.9 else int(rng.choice(truth.getCatIds())),
            "bbox": run_length.toBbox(encoding).tolist(),
            "segmentation": {
                "size": encoding["size"],
                "counts": encoding["counts"].decode("ascii"),
            },
        }
        copies = 1 + int(rng.random() < 0.2)
        found += [one | {"score": float(np.float32(rng.random()))} for _ in range(copies)]
    return found


@needs_samples
def test_the_zip_has_the_predictions_ap(tmp_path: Path) -> None:
    annotations = COCO_TINY / "annotations" / "instances_val2017.json"
    info = json.loads(annotations.read_text())
    del info["annotations"]
    renamed = tmp_path / "image_info_test-dev2017.json"
    renamed.write_text(json.dumps(info))
    predictions = tmp_path / "predictions.json"
    predictions.write_text(json.dumps(shaken(annotations, np.random.default_rng(3))))
    split = Split("test-dev", renamed, COCO_TINY / "val2017", annotated=False)
    file = write_submission(predictions, split, "boxseg", tmp_path)
    (tmp_path / "submitted.json").write_text(json.dumps(read(file)))
    before = score(annotations, predictions, kinds=("segm",)).metrics
    after = score(annotations, tmp_path / "submitted.json", kinds=("segm",)).metrics
    assert after == before
    assert 10 < (before["segm/AP"] or 0) < 90


@needs_samples
def test_a_run_on_test_dev(tmp_path: Path) -> None:
    """An imported checkpoint on a few images of COCO, renamed as test-dev's are."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "test2017").symlink_to(COCO_TINY / "val2017")
    content = json.loads((COCO_TINY / "annotations" / "instances_val2017.json").read_text())
    content["images"] = content["images"][:2]
    del content["annotations"]
    info = root / "annotations" / "image_info_test-dev2017.json"
    info.write_text(json.dumps(content))
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter("dataset.num_classes=80"))
    torch.save({"model": tensors}, tmp_path / "a.pth")
    words = ("images.test_short_side=128", "images.max_side=192")
    outcome = boxseg("weights", "import", tmp_path / "a.pth", "--to", tmp_path / "a.pt", *words)
    assert outcome.code == 0, outcome.err
    command = ("evaluate", tmp_path / "a.pt", "--dataset", "coco", "--root", root)
    outcome = boxseg(*command, "--split", "test-dev", "--submission", "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    told, zipped, predictions = outcome.out.splitlines()
    assert told == "test-dev has no annotations here: nothing scored"
    name = "detections_test-dev2017_boxinst_results.zip"
    assert zipped.startswith(f"{tmp_path}/out/{name} (")
    assert predictions == f"{tmp_path}/out/predictions-coco-test-dev.json"
    found = read(tmp_path / "out" / name)
    saved = json.loads(Path(predictions).read_text())
    assert len(found) == len(saved) > 0
    assert {one["image_id"] for one in found} <= {image["id"] for image in content["images"]}
    for ours, theirs in zip(found, saved, strict=True):
        assert ours.keys() == {"image_id", "category_id", "segmentation", "score"}
        assert ours["segmentation"] == theirs["segmentation"]
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-6)
    outcome = boxseg(*command, "--split", "test-dev", "--submission", "--algorithm", "a_b")
    assert "the algorithm's name 'a_b'" in outcome.complaint
