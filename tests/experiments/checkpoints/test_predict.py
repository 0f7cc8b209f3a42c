"""`boxseg predict`: odd images, broken ones, and what is written about them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pycocotools import mask as run_length
from pycocotools.coco import COCO

from boxseg.export import FORMATS
from boxseg.overlays import picture_size
from tests.data.odd_images import odd_images, picture, write_odd_images
from tests.experiments.command_line import Outcome, boxseg

# The run has learnt next to nothing; at this threshold it still finds something.
EVERYTHING = ("--score-threshold", "0.01", "--device", "cpu")


def predict(run: Path, out: Path, *words: object) -> Outcome:
    return boxseg("predict", *words, "--checkpoint", run, "--out", out, *EVERYTHING)


def written(out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The images and categories, and the detections."""
    return tuple(
        json.loads((out / f"{name}.json").read_text()) for name in ("images", "predictions")
    )


@pytest.fixture(scope="module")
def odd(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Twenty odd images predicted on in batches of three: the results, and the outcome."""
    folder = tmp_path_factory.mktemp("odd")
    write_odd_images(folder / "photographs")
    return folder, predict(finished, folder / "out", folder / "photographs", "--batch", 3)


def test_broken_images_are_named_and_the_others_predicted(odd: tuple[Path, Outcome]) -> None:
    folder, outcome = odd
    made = {str(folder / "photographs" / one.name): one for one in odd_images()}
    broken = {name for name, one in made.items() if one.size is None}
    assert len(made) == 20
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith("boxseg: image ")]
    assert {
        line.split(" is skipped: ")[0].removeprefix("boxseg: image ") for line in lines
    } == broken
    index, detections = written(folder / "out")
    assert {one["file_name"] for one in index["skipped"]} == broken
    assert all(one["reason"] for one in index["skipped"])
    assert {one["file_name"] for one in index["images"]} == made.keys() - broken
    assert outcome.out.splitlines() == [
        f"{len(detections)} objects on 16 images, 4 skipped",
        str(folder / "out" / "predictions.json"),
        str(folder / "out" / "images.json"),
    ]


def test_nothing_is_said_of_an_odd_image_that_is_not_so(odd: tuple[Path, Outcome]) -> None:
    folder, outcome = odd
    index, detections = written(folder / "out")
    made = {str(folder / "photographs" / one.name): one for one in odd_images()}
    assert detections
    for image in index["images"]:
        expected = made[image["file_name"]]
        assert (image["width"], image["height"]) == expected.size
        if expected.note is not None:
            assert expected.note in image["notes"][0]
            assert f"{image['file_name']}: {image['notes'][0]}" in outcome.err
        drawn = Image.open(folder / "out" / image["overlay"])
        assert drawn.size == picture_size(*expected.size)
        reduced = f"overlay drawn at {drawn.width} x {drawn.height}"
        assert (reduced in image["notes"]) == (drawn.width < image["width"])
        for one in (d for d in detections if d["image_id"] == image["id"]):
            assert one["segmentation"]["size"] == [image["height"], image["width"]]
            x, y, width, height = one["bbox"]
            assert 0 <= x <= x + width <= image["width"] + 0.01
            assert 0 <= y <= y + height <= image["height"] + 0.01
            assert 0.01 <= one["score"] <= 1
    assert {d["image_id"] for d in detections} <= {image["id"] for image in index["images"]}


def test_every_image_has_an_overlay_of_its_own(odd: tuple[Path, Outcome]) -> None:
    folder, _ = odd
    index, _ = written(folder / "out")
    overlays = [image["overlay"] for image in index["images"]]
    assert len({name.lower() for name in overlays}) == len(overlays) == 16
    assert sorted(file.name for file in (folder / "out").glob("*.png")) == sorted(overlays)
    by_file = {Path(image["file_name"]).name: image["overlay"] for image in index["images"]}
    assert by_file["turned.jpg"] == "turned.png"


def test_pycocotools_reads_what_was_written(odd: tuple[Path, Outcome]) -> None:
    folder, _ = odd
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "out" / "images.json"))
        found = truth.loadRes(str(folder / "out" / "predictions.json"))
    _, detections = written(folder / "out")
    assert len(found.anns) == len(detections)
    assert {one["category_id"] for one in detections} <= set(truth.cats)
    for one in detections:
        assert run_length.decode(one["segmentation"]).shape == tuple(one["segmentation"]["size"])


def test_images_of_one_name_do_not_overwrite_each_other(finished: Path, tmp_path: Path) -> None:
    for place, seed in (("a/x.jpg", 0), ("b/x.jpg", 1), ("b/X.png", 2), ("b/x-2.png", 3)):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        picture(64, 64, seed).save(tmp_path / place)
    outcome = predict(finished, tmp_path / "out", tmp_path / "a", tmp_path / "b")
    assert outcome.code == 0, outcome.err
    index, _ = written(tmp_path / "out")
    assert [image["overlay"] for image in index["images"]] == [
        "x.png",
        "X-2.png",
        "x-2-2.png",
        "x-3.png",
    ]
    assert [Path(image["file_name"]).name for image in index["images"]] == [
        "x.jpg",
        "X.png",
        "x-2.png",
        "x.jpg",
    ]
    pictures = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "out").glob("*.png"))]
    assert len(pictures) == 4
    assert not any(np.array_equal(pictures[0], other) for other in pictures[1:])


@pytest.mark.slow
def test_the_predictions_of_an_evaluation_come_out_again(
    finished: Path, scenes: Any, tmp_path: Path
) -> None:
    split = scenes.split("val")
    names = [image["file_name"] for image in json.loads(split.annotations.read_text())["images"]]
    words = [split.images / name for name in names]
    outcome = boxseg(
        *("predict", *words, "--checkpoint", finished, "--out", tmp_path, "--batch", 8),
        *("--score-threshold", 0, "--device", "cpu"),
    )
    assert outcome.code == 0, outcome.err
    _, ours = written(tmp_path)
    evaluated = json.loads((finished / "predictions.json").read_text())
    assert evaluated

    def by_score(found: list[dict[str, Any]]) -> list[Any]:
        return sorted((d["image_id"], d["category_id"], d["score"], d["bbox"]) for d in found)

    for one, other in zip(by_score(ours), by_score(evaluated), strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-5)
        assert one[3] == pytest.approx(other[3], abs=1e-2)


def test_only_broken_images(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    outcome = predict(finished, tmp_path / "out", tmp_path / "a.jpg")
    assert outcome.code == 1
    index, detections = written(tmp_path / "out")
    assert index["images"] == detections == []
    assert index["skipped"][0]["file_name"] == str(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("photographs --score-threshold 1.5", "--score-threshold 1.5 is not from 0 to 1"),
        ("photographs --score-threshold nan", "--score-threshold nan is not from 0 to 1"),
        ("photographs --batch 0", "--batch 0 is not a positive number"),
        ("photographs --device abacus", "device=abacus cannot be used"),
        ("photographs --checkpoint nowhere", "there is no checkpoint nowhere"),
        ("photographs --out /proc/nowhere", "cannot write /proc/nowhere/"),
        ("nowhere", "there is no file or folder nowhere"),
        ("*.tiff", "nothing matches the pattern *.tiff"),
        ("empty", "empty holds no image"),
        ("photographs/a.png --out photographs", "is in the folder of the results, photographs"),
        ("photographs --categories two.json", "with the 2 categories that two.json lists"),
        ("photographs --categories gone.json", "gone.json does not exist"),
    ],
)
def test_what_cannot_be_predicted(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photographs", "empty"):
        Path(name).mkdir()
    picture().save("photographs/a.png")
    two = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": str(i)} for i in (1, 2)],
    }
    Path("two.json").write_text(json.dumps(two))
    given = words.split()
    defaults = {"--checkpoint": finished, "--out": "out"}
    missing = [part for key, value in defaults.items() if key not in given for part in (key, value)]
    assert said in boxseg("predict", *given, *missing).complaint


def test_categories_of_data_that_are_gone(
    finished: Path, coco_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints hold the names of their classes; those of earlier versions need to be told."""
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    config = (run / "config.yaml").read_text()
    named = config.replace(
        "boxseg.data.scenes.scenes_dataset", "boxseg.data.coco_folder.coco_folder"
    )
    start = named.index("  source:\n") + len("  source:\n")
    end = named.index("\n", named.index("_target_", start)) + 1
    rest = named[end:].split("\n")
    while rest[0].startswith("    "):
        rest.pop(0)
    (run / "config.yaml").write_text(named[:end] + "    root: /gone\n" + "\n".join(rest))
    picture().save(tmp_path / "a.png")
    assert predict(run, tmp_path / "out", tmp_path / "a.png").code == 0
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    del content["trained_on"]
    torch.save(content, run / "checkpoint.pt")
    refused = predict(run, tmp_path / "again", tmp_path / "a.png").complaint
    assert "the names of the model's categories are not known without its data (/gone is" in refused
    assert refused.endswith("with --categories FILE.")
    names = coco_root / "annotations" / "instances_val.json"
    outcome = predict(run, tmp_path / "again", tmp_path / "a.png", "--categories", names)
    assert outcome.code == 0, outcome.err
    listed = json.loads(names.read_text())["categories"]
    assert [one["name"] for one in written(tmp_path / "again")[0]["categories"]] == [
        one["name"] for one in sorted(listed, key=lambda one: one["id"])
    ]


def test_listed_categories_are_met_by_name(finished: Path, coco_root: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    assert predict(finished, tmp_path / "own", tmp_path / "a.png").code == 0
    listed = json.loads((coco_root / "annotations" / "instances_val.json").read_text())
    listed["annotations"] = []
    for one in listed["categories"]:  # the other way round
        one["id"] = 100 - one["id"]
    names = tmp_path / "names.json"
    names.write_text(json.dumps(listed))
    outcome = predict(finished, tmp_path / "told", tmp_path / "a.png", "--categories", names)
    assert outcome.code == 0, outcome.err
    (_, own), (told, found) = written(tmp_path / "own"), written(tmp_path / "told")
    assert [one["category_id"] for one in found] == [100 - one["category_id"] for one in own]
    assert {(one["id"], one["name"]) for one in told["categories"]} == {
        (one["id"], one["name"]) for one in listed["categories"]
    }
    listed["categories"][0]["name"] = "unheard-of"
    names.write_text(json.dumps(listed))
    refused = predict(finished, tmp_path / "more", tmp_path / "a.png", "--categories", names)
    assert "are not those that the model was trained on" in refused.complaint


def test_all_forms_of_annotations(finished: Path, tmp_path: Path) -> None:
    for name, seed in (("a/x.jpg", 0), ("b/x.png", 1)):
        (tmp_path / name).parent.mkdir()
        picture(64, 48, seed).save(tmp_path / name)
    out = tmp_path / "out"
    places = (tmp_path / "a", tmp_path / "b")
    forms = [word for one in FORMATS for word in ("--format", one)]
    outcome = predict(finished, out, *places, *forms)
    assert outcome.code == 0, outcome.err
    index, detections = written(out)
    assert len(detections) > 1
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(out / "annotations" / "instances_predicted.json"))
        outlined = COCO(str(out / "coco-polygons" / "instances_predicted.json"))
    assert truth.dataset["images"] == index["images"]
    for number, one in enumerate(detections, start=1):
        made = truth.anns[number]
        assert one.items() <= made.items()
        mask = run_length.decode(one["segmentation"]).astype(bool)
        assert made["area"] == mask.sum()
        (entry,) = [image for image in index["images"] if image["id"] == one["image_id"]]
        stem = Path(entry["overlay"]).stem
        assert np.array_equal(np.asarray(Image.open(out / "png" / stem / f"{number}.png")), mask)
        if mask.sum() > 200:
            again = outlined.annToMask(outlined.anns[number]).astype(bool)
            assert (again & mask).sum() / (again | mask).sum() > 0.8
    for entry in index["images"]:
        stem = Path(entry["overlay"]).stem
        of_image = [one for one in detections if one["image_id"] == entry["id"]]
        outlines = json.loads((out / "labelme" / f"{stem}.json").read_text())
        picture_of = (out / "labelme" / outlines["imagePath"]).resolve()
        assert picture_of == Path(entry["file_name"]).resolve()
        assert len(outlines["shapes"]) >= len(of_image)
        lines = (out / "yolo" / "labels" / f"{stem}.txt").read_text().splitlines()
        assert len(lines) <= len(of_image)
    names = yaml.safe_load((out / "yolo" / "data.yaml").read_text())["names"]
    assert list(names.values()) == [one["name"] for one in index["categories"]]
    sheet = (out / "contact-sheet.html").read_text()
    assert sheet.count("<figure>") == min(len(detections), 400)
    # Nothing is overwritten, by whatever was there.
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    again = predict(finished, out, *places, "--format", "png").complaint
    assert again.endswith(
        "is there already, and nothing is overwritten; give another folder with --out."
    )
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.png").write_bytes(b"a picture of mine")
    assert "mine/x.png is there already" in predict(finished, tmp_path / "mine", *places).complaint
