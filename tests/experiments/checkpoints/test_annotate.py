"""`boxseg annotate`: masks for boxes that are there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from pycocotools import mask as run_length

from boxseg.data.dataset import Dataset
from boxseg.engine.lock import locked
from boxseg.export import FORMATS
from experiments.checkpoints.certainty import least_quality
from tests.experiments.checkpoints.folders import boxes_of, contents
from tests.experiments.command_line import Outcome, boxseg


@pytest.fixture
def annotate(teacher: Path, folder: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Give a function that annotates the folder into `out`, on the CPU."""

    def annotate(*words: object, out: str = "out", checkpoint: Path = teacher) -> Outcome:
        places = ("--checkpoint", checkpoint, "--out", tmp_path / out, "--device", "cpu")
        return boxseg("annotate", folder, *places, *words)

    return annotate


def test_every_box_gets_what_is_due_to_it(
    annotate: Callable[..., Outcome], folder: Path, tmp_path: Path
) -> None:
    before = contents(folder)
    outcome = annotate("--least-quality", 0, "--unsure", "ellipse")
    assert outcome.code == 0, outcome.err
    assert contents(folder) == before
    given, made = boxes_of(folder), boxes_of(tmp_path / "out")
    assert {**made, "annotations": 0} == {**given, "annotations": 0}
    first, crowd, *others = made["annotations"]
    assert [first, crowd] == given["annotations"][:2]
    for old, new in zip(given["annotations"][2:], others, strict=True):
        assert old.items() <= new.items()
        assert new["unsure"] == ("quality" not in new)
        assert run_length.area(new["segmentation"]) > 0
        x, y, w, h = run_length.toBbox(new["segmentation"]).tolist()
        left, top, wide, high = old["bbox"]
        if new["unsure"]:  # the ellipse
            assert abs(x - left) <= 1 and abs(y - top) <= 1
            assert abs(w - wide) <= 2 and abs(h - high) <= 2
        else:
            assert 0 <= new["quality"] <= 1
    assert "1 had a mask already" in outcome.out and "1 left out (crowds" in outcome.out
    assert (tmp_path / "out" / "contact-sheet.html").read_text().count("<figure>") == len(others)


def test_below_the_quality_asked_for_there_is_no_mask(
    annotate: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert annotate("--least-quality", 1).code == 0
    others = boxes_of(tmp_path / "out")["annotations"][2:]
    assert all(one["unsure"] and "segmentation" not in one for one in others)
    # What was computed is there: another bar takes no second pass, and no other folder.
    assert annotate("--least-quality", 1, "--unsure", "mask").code == 0
    again = boxes_of(tmp_path / "out")["annotations"][2:]
    assert [one["unsure"] for one in again] == [True] * len(others)
    assert all(("segmentation" in one) == ("quality" in one) for one in again)


def test_what_is_missing_of_an_interrupted_call_is_made(
    annotate: Callable[..., Outcome], tmp_path: Path
) -> None:
    forms = [word for one in FORMATS for word in ("--format", one)]
    assert annotate(*forms).code == 0
    whole = contents(tmp_path / "out")
    assert {"yolo/data.yaml", "coco-polygons/instances_all.json"} < whole.keys()
    parts = sorted((tmp_path / "out" / ".parts" / "all").glob("*.json"))
    assert len(parts) == 4
    for part in parts[1:3]:
        part.unlink()
    for name in ("annotations", "coco-polygons", "labelme", "contact-sheet.html"):
        place = tmp_path / "out" / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert annotate(*forms).code == 0
    assert contents(tmp_path / "out") == whole


def test_with_flips_a_mirrored_image_has_the_mirrored_masks(
    annotate: Callable[..., Outcome], folder: Path, teacher: Path, tmp_path: Path
) -> None:
    other = tmp_path / "mirrored"
    shutil.copytree(folder, other)
    content = boxes_of(folder)
    widths = {image["id"]: image["width"] for image in content["images"]}
    for image in content["images"]:
        with Image.open(folder / "all" / image["file_name"]) as picture:
            ImageOps.mirror(picture).save(other / "all" / image["file_name"])
    for one in content["annotations"][2:]:  # a pixel in part is filled, on whichever side
        one["bbox"][0] += 0.25
        one["bbox"][2] -= 0.5
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(content))
    for one in content["annotations"]:
        one["bbox"][0] = widths[one["image_id"]] - one["bbox"][0] - one["bbox"][2]
    (other / "annotations" / "instances_all.json").write_text(json.dumps(content))
    assert annotate("--flips", "--least-quality", 0).code == 0
    again = boxseg(
        *("annotate", other, "--checkpoint", teacher, "--out", tmp_path / "of-mirrored"),
        *("--device", "cpu", "--flips", "--least-quality", 0),
    )
    assert again.code == 0, again.err
    masks = []
    for out in ("out", "of-mirrored"):
        made = boxes_of(tmp_path / out)["annotations"][2:]
        masks.append([one for one in made if "segmentation" in one])
    assert len(masks[0]) > 3
    for one, mirror in zip(*masks, strict=True):
        assert one["id"] == mirror["id"]
        assert one["quality"] == pytest.approx(mirror["quality"], abs=1e-4)
        first, second = (run_length.decode(a["segmentation"]) for a in (one, mirror))
        assert (first != second[:, ::-1]).mean() < 0.001  # ties at the threshold
    # It is another answer than that of one look, and the two are not mixed.
    assert "another choice of --flips" in annotate().complaint
    assert annotate("--least-quality", 0, out="plain").code == 0
    assert boxes_of(tmp_path / "plain") != boxes_of(tmp_path / "out")
    assert "another choice of --flips" in annotate("--flips", out="plain").complaint
    refused = boxseg("annotate", folder, "--out", tmp_path / "colours", "--flips")
    assert "--flips is of a model's masks" in refused.complaint


def test_polygons_are_the_masks_and_what_was_there_stays(
    annotate: Callable[..., Outcome], folder: Path, tmp_path: Path
) -> None:
    assert annotate("--format", "coco", "--format", "coco-polygons", "--least-quality", 0).code == 0
    outlined = json.loads((tmp_path / "out/coco-polygons/instances_all.json").read_text())
    encoded = boxes_of(tmp_path / "out")["annotations"]
    assert outlined["annotations"][:2] == encoded[:2] == boxes_of(folder)["annotations"][:2]
    for one, other in zip(outlined["annotations"][2:], encoded[2:], strict=True):
        assert one.keys() == other.keys()
        if "segmentation" in one:
            assert all(isinstance(part, list) for part in one["segmentation"])
            assert {**one, "segmentation": 0} == {**other, "segmentation": 0}


def test_pictures_of_masks_that_are_given_no_more_are_removed(
    annotate: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert annotate("--format", "png", "--least-quality", 0).code == 0
    first = [name for name in contents(tmp_path / "out") if name.endswith(".png")]
    assert len(first) > 1
    assert annotate("--format", "png", "--least-quality", 1).code == 0
    (kept,) = [name for name in contents(tmp_path / "out") if name.endswith(".png")]
    assert kept in first  # the mask that was there already


def test_categories_are_met_by_name(
    annotate: Callable[..., Outcome], folder: Path, tmp_path: Path
) -> None:
    assert annotate().code == 0
    file = folder / "annotations" / "instances_all.json"
    content = boxes_of(folder)
    ids = [one["id"] for one in content["categories"]]
    other = dict(zip(ids, reversed(ids), strict=True))
    for one in content["categories"]:
        one["id"] = other[one["id"]]
    for one in content["annotations"]:
        one["category_id"] = other[one["category_id"]]
    file.write_text(json.dumps(content))
    assert annotate(out="again").code == 0
    first, second = (boxes_of(tmp_path / out)["annotations"] for out in ("out", "again"))
    for one in (*first, *second):
        del one["category_id"]
    assert first == second
    content["categories"][0]["name"] = "unheard-of"
    file.write_text(json.dumps(content))
    assert "has the categories unheard-of, which" in annotate(out="more").complaint


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_done(
    annotate: Callable[..., Outcome], folder: Path, tmp_path: Path
) -> None:
    broken = sorted((folder / "all").iterdir())[1]
    picture = broken.read_bytes()
    broken.write_bytes(b"nothing")
    outcome = annotate()
    assert outcome.code == 1
    assert f"boxseg: image {broken} cannot be read" in outcome.err
    assert "of images that cannot be read" in outcome.out
    broken.write_bytes(picture)  # the same command again makes what was missing
    assert annotate().code == 0
    assert all("unsure" in one for one in boxes_of(tmp_path / "out")["annotations"][2:])


def test_one_call_at_a_time_in_a_folder_and_nothing_half_written_stays(
    annotate: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert annotate().code == 0
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "annotations" / ".instances_all.json.77.tmp").write_text("{")
    with locked(tmp_path / "out" / ".parts" / ".lock"):
        assert "another call is at work in" in annotate().complaint
    assert annotate().code == 0
    assert contents(tmp_path / "out") == whole


def test_refusals(
    annotate: Callable[..., Outcome], finished: Path, folder: Path, tmp_path: Path
) -> None:
    assert "is not from 0 to 1" in annotate("--least-quality", 2).complaint
    assert "makes no masks for boxes" in annotate(checkpoint=finished).complaint
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    assert "is not empty and not of `boxseg annotate`" in annotate(out="mine").complaint
    assert annotate().code == 0
    content = boxes_of(folder)
    content["annotations"][-1]["bbox"][2] += 1
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(content))
    assert "of other boxes; give another folder" in annotate().complaint


def test_without_a_checkpoint_colours_make_the_masks(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = contents(folder)
    outcome = boxseg("annotate", folder, "--out", out, "--device", "cpu", "--format", "coco")
    assert outcome.code == 0, outcome.err
    assert contents(folder) == before
    for old, new in zip(boxes_of(folder)["annotations"], boxes_of(out)["annotations"], strict=True):
        assert old.items() <= new.items()
        if "segmentation" in old or old["iscrowd"]:
            continue
        assert 0 < new["quality"] <= 1 and not new["unsure"]
        x, y, w, h = run_length.toBbox(new["segmentation"]).tolist()
        left, top, wide, high = old["bbox"]
        assert left - 1 <= x and top - 1 <= y
        assert x + w <= left + wide + 1 and y + h <= top + high + 1
    assert "so only boxes without any mask are unsure" in outcome.out
    listed = folder / "annotations" / "instances_all.json"
    refused = boxseg("annotate", folder, "--out", tmp_path / "other", "--categories", listed)
    assert "--categories lists what a model knows" in refused.complaint


def test_masks_are_measured_against_those_that_are_there(
    scenes: Dataset, folder: Path, tmp_path: Path
) -> None:
    true = {
        one["id"]: one
        for one in json.loads(scenes.split("val").annotations.read_text())["annotations"]
    }
    content = boxes_of(folder)
    content["annotations"] = [{**true[one["id"]], "iscrowd": 0} for one in content["annotations"]]
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(content))
    out = tmp_path / "out"

    def measures(*words: object) -> dict[str, Any]:
        outcome = boxseg("annotate", folder, "--out", out, "--device", "cpu", "--measure", *words)
        assert outcome.code == 0, outcome.err
        assert "beside those that are there" in outcome.out
        found: dict[str, Any] = json.loads((out / "measures.json").read_text())["all"]
        return found

    every = measures("--least-quality", 0)
    made = boxes_of(out)["annotations"]
    assert every["objects"]["all"] == len(made) == sum(every["objects"].values()) / 2
    overlaps = [
        run_length.iou([one["segmentation"]], [true[one["id"]]["segmentation"]], [0]).item()
        for one in made
    ]
    assert every["iou"]["masks"]["all"] == pytest.approx(sum(overlaps) / len(made))
    assert (
        every["iou"]["masks"]["all"] > every["iou"]["ellipse"]["all"] > every["iou"]["box"]["all"]
    )
    assert every["unsure"] == 0
    # What is unsure counts as the ellipse, and what was found is judged all the same.
    none = measures("--least-quality", 1)
    assert none["unsure"] == 1 and none["iou"]["masks"] == none["iou"]["ellipse"]
    assert none["rank_correlation"] == every["rank_correlation"]
    plain = boxseg("annotate", folder, "--out", out, "--device", "cpu")
    assert "give another folder" in plain.complaint


def test_the_bar_of_a_calibration(tmp_path: Path) -> None:
    def measured(*means: float | None, few: int | None = None) -> float | None:
        bins = [
            {
                "quality_from": place / len(means),
                "objects": 0 if mean is None else 3 if place == few else 50,
                "mean_iou": mean,
            }
            for place, mean in enumerate(means)
        ]
        content = {"metrics": {"trivial/ellipse-IoU": 60.0}, "calibration": bins}
        (tmp_path / "result.json").write_text(json.dumps(content))
        return least_quality(tmp_path)

    assert least_quality(tmp_path) is None
    assert measured(0.4, 0.55, 0.65, 0.7) == 0.5
    assert measured(0.4, 0.65, 0.55, 0.7) == 0.75
    assert measured(0.4, 0.65, 0.55, 0.7, few=2) == 0.25
    assert measured(None, None, 0.61, None) == 0.0
    assert measured(0.1, 0.2) == 1.0
    assert measured() is None
