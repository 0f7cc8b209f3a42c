"""The gallery: which images are chosen, from which runs, and what their panels are."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from pycocotools import mask as run_length

from boxseg.data.dataset import Dataset
from boxseg.engine.best_overlap import best_overlap_scores
from experiments.launch.tables import definitions
from experiments.reporting.gallery import (
    comparable_runs,
    compared_images,
    gallery,
    gallery_fragment,
    predicted_images,
)
from experiments.reporting.gallery.choice import (
    chosen_by_difference,
    chosen_by_score,
    chosen_first,
)
from experiments.reporting.gallery.predicted import Predicted, best_overlap, true_objects


def rectangle(x0: int, y0: int, x1: int, y1: int) -> dict[str, object]:
    mask = np.zeros((10, 10), dtype=np.uint8, order="F")
    mask[y0:y1, x0:x1] = 1
    return run_length.encode(mask)


def test_images_are_chosen_at_quantiles_of_the_difference() -> None:
    # Differences -0.4 (image 9), -0.1 (7), 0 (2), 0 (5), 0.3 (1): places 0, 1, 2, 3, 4 of five.
    first = {1: 0.8, 2: 0.5, 5: 0.1, 7: 0.4, 9: 0.2}
    second = {1: 0.5, 2: 0.5, 5: 0.1, 7: 0.5, 9: 0.6}
    chosen = chosen_by_difference(first, second, "BoxSeg", "BoxTeacher")
    assert [one.image for one in chosen] == [9, 7, 2, 5, 1]
    assert "the worst of 5 images" in chosen[0].reason
    assert "of BoxSeg minus that of BoxTeacher, here -40.0 points" in chosen[0].reason
    assert "the best of 5" in chosen[-1].reason
    assert "+30.0 points" in chosen[-1].reason


def test_images_of_a_run_alone_are_chosen_by_its_own_score() -> None:
    chosen = chosen_by_score({1: 0.8, 2: 0.5, 5: 0.1, 7: 0.4, 9: 0.2}, "mine")
    assert [one.image for one in chosen] == [5, 9, 7, 2, 1]
    assert "the worst of 5 images in the order of the mean best-overlap IoU of mine, here 0.10" in (
        chosen[0].reason
    )
    assert chosen_by_score({}, "mine") == []


def test_an_image_is_chosen_once_and_none_of_none() -> None:
    assert [one.image for one in chosen_by_difference({3: 1.0}, {3: 0.0}, "a", "b")] == [3]
    assert chosen_by_difference({}, {}, "a", "b") == []
    assert [one.image for one in chosen_first({4: None, 2: None, 3: None}, 2, "val")] == [2, 3]


def test_best_overlap_of_one_image() -> None:
    # The first object is half covered by a detection of its class: 8 of 16 pixels, IoU 1/2. The
    # second is matched by another class only, which counts for nothing. Mean 1/4.
    objects = [
        {"category_id": 1, "rle": rectangle(0, 0, 4, 4)},
        {"category_id": 2, "rle": rectangle(6, 6, 9, 9)},
    ]
    found = [
        {"category_id": 1, "segmentation": rectangle(0, 0, 4, 2), "score": 0.01},
        {"category_id": 1, "segmentation": rectangle(6, 6, 9, 9), "score": 0.9},
    ]
    assert best_overlap(objects, found) == pytest.approx(0.25)
    assert best_overlap(objects, []) == 0.0


def test_the_mean_over_objects_is_the_split_s_best_overlap(finished: Path, scenes: Dataset) -> None:
    truth = true_objects(scenes.split("val"))
    predicted = Predicted.read(finished / "predictions.json")
    weighted = [
        (len(objects), best_overlap(objects, predicted.on(image)))
        for image, objects in truth.objects.items()
        if objects
    ]
    mean = sum(n * value for n, value in weighted) / sum(n for n, _ in weighted)
    predictions = finished / "predictions.json"
    whole = best_overlap_scores(scenes.split("val").annotations, predictions)["predicted/IoU"]
    assert 100 * mean == pytest.approx(whole)


def perfect(run: Path, scenes: Dataset) -> Path:
    """Replace a run's predictions by the true masks."""
    truth = json.loads(scenes.split("val").annotations.read_text())
    keys = ("image_id", "category_id", "bbox", "segmentation")
    found = [{key: one[key] for key in keys} | {"score": 0.9} for one in truth["annotations"]]
    (run / "predictions.json").write_text(json.dumps(found))
    return run


@pytest.fixture
def pair(finished: Path, scenes: Dataset, tmp_path: Path) -> dict[str, Path]:
    better = perfect(Path(shutil.copytree(finished, tmp_path / "better")), scenes)
    return {"BoxTeacher": finished, "BoxSeg": better}


def test_panels_of_all_methods_and_the_truth(pair: dict[str, Path]) -> None:
    images = compared_images(pair)
    assert len([one for one in images if one.image.startswith("scenes/val/")]) == 5
    # The three situations follow, each with its first image.
    assert [one.image for one in images[-3:]] == [
        "scenes/similar-background/1",
        "scenes/overlap-inter-class/1",
        "scenes/overlap-intra-class/1",
    ]
    for one in images:
        labels = [panel.label for panel in one.panels]
        assert labels == ["image", "BoxTeacher", "BoxSeg", "ground truth"]
        sizes = {Image.open(io.BytesIO(panel.png)).size for panel in one.panels}
        assert sizes == {(400, 400)}
        assert all(panel.alt.endswith(".") for panel in one.panels)
    assert "IoU over all scores: 1.00" in images[0].panels[2].alt
    # What is drawn of the true masks is no longer the image alone.
    assert images[0].panels[0].png != images[0].panels[3].png
    assert compared_images(pair) == images


def test_detections_below_the_threshold_are_not_drawn(pair: dict[str, Path]) -> None:
    [shown, hidden] = (compared_images(pair, threshold)[0] for threshold in (0.9, 0.91))
    assert "no object of score 0.91 or more" in hidden.panels[2].alt
    assert hidden.panels[2].png == hidden.panels[0].png != shown.panels[2].png


def test_a_split_with_boxes_only_is_shown_from_its_first_image(
    pair: dict[str, Path], scenes: Dataset, tmp_path: Path
) -> None:
    split = scenes.split("val")
    content = json.loads(split.annotations.read_text())
    for one in content["annotations"]:
        del one["segmentation"]
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(content))
    boxes = type(split)("val", file, split.images)
    situations = {k: v for k, v in scenes.splits.items() if k != "val"}
    dataset = Dataset("scenes", {"val": boxes, **situations}, "train", "val")
    images = compared_images(pair, dataset=dataset)
    assert [one.image for one in images[:5]] == [f"scenes/val/{n}" for n in range(1, 6)]
    assert "true boxes" in images[0].panels[-1].alt


def test_runs_that_differ_in_the_method_only_are_put_together(
    finished: Path, tmp_path: Path
) -> None:
    def place(row: str, seed: int, backbone: str = "r50") -> Path:
        folder = tmp_path / "smoke" / "table3" / row / "1x" / f"seed{seed}"
        shutil.copytree(finished, folder)
        config = OmegaConf.load(folder / "config.yaml")
        config.seed, config.backbone = seed, backbone
        OmegaConf.save(config, folder / "config.yaml")
        return folder

    tables = definitions(["table3"])
    assert comparable_runs(tmp_path, "smoke", tables) == {}
    assert gallery(tmp_path, "smoke", tables) == ()
    place("baseline", 0)
    second = [place(row, 1) for row in ("baseline", "boxteacher", "qam-pc")]
    place("qam", 0)  # BoxSeg without PC is not BoxSeg
    place("boxteacher", 0, backbone="r101")
    (place("qam-pc", 0) / "predictions.json").unlink()
    found = comparable_runs(tmp_path, "smoke", tables)
    assert found == dict(zip(("BoxInst", "BoxTeacher", "BoxSeg"), second, strict=True))
    assert len(gallery(tmp_path, "smoke", tables)) == 8


def test_images_of_one_s_own(finished: Path, scenes: Dataset, tmp_path: Path) -> None:
    Image.new("RGB", (80, 60), "teal").save(tmp_path / "b.png")
    shutil.copy(scenes.split("val").images / "000001.png", tmp_path / "a.png")
    first, second = predicted_images(tmp_path, {"BoxInst": finished}, score_threshold=0.0)
    assert (first.image, second.image) == ("a.png", "b.png")
    assert [panel.label for panel in first.panels] == ["image", "BoxInst"]
    assert Image.open(io.BytesIO(second.panels[0].png)).size == (400, 300)
    assert len(predicted_images(tmp_path, {"BoxInst": finished}, most=1)) == 1


def test_the_fragment_escapes_and_describes(pair: dict[str, Path]) -> None:
    images = compared_images(pair)[:1]
    html = gallery_fragment(images)
    assert html.count("<img ") == html.count("alt=") == 4
    pictures = re.findall(r"src='data:image/webp;base64,([^']+)'", html)
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures]
    assert sizes == [(320, 320)] * 4
