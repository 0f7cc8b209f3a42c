"""`scale=photos`: how long a run trains follows from its images and from the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from boxseg.data.dropped import DroppedReport, tally
from boxseg.data.records import LoadedRecords
from boxseg.engine.run_directory import RunDirectory
from experiments.configuration.compose import compose
from experiments.configuration.schema import LengthRule, Pace
from experiments.run.length import iterations_of_1x, with_length
from tests.experiments.command_line import boxseg, result

RULE = LengthRule(
    epochs=12,
    least=600,
    cpu=Pace(seconds=3600, images_per_second=4),
    cuda=Pace(seconds=600, images_per_second=26),
)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("images", "batch_size", "device", "iterations"),
    [
        (0, 4, "cpu", 600),
        (100, 4, "cpu", 600),  # 12 epochs would be 300
        (384, 4, "cpu", 1152),
        (385, 4, "cpu", 1155),
        (501, 8, "cuda", 752),  # 751.5
        (5000, 4, "cpu", 3600),  # 4 images a second for an hour
        (5000, 4, "cuda", 3900),  # 26 for ten minutes
        (5000, 8, "cuda", 1950),
        (5000, 4, "mps", 3600),
        (5000, 400, "cpu", 600),
    ],
)
def test_the_length_by_hand(images: int, batch_size: int, device: str, iterations: int) -> None:
    assert iterations_of_1x(RULE, images, batch_size, device) == iterations


def records(images: int, empty: int) -> LoadedRecords:
    """A split of so many images, some of them without a box."""
    none = tally([])
    report = DroppedReport("a.json", images, empty, images, none, none, none, none)
    return LoadedRecords([], [], report)


def test_a_run_that_has_begun_keeps_its_length(tmp_path: Path) -> None:
    config = compose(["scale=photos", "dataset=coco-folder", "root=a"])
    directory, digest = RunDirectory(tmp_path / "run"), config.sha256
    begun = with_length(config, records(5100, 100), directory, digest, CPU)
    assert begun.images.iterations_1x == begun.solver.iterations == 3600
    directory.write_config(begun.as_yaml(), digest)
    again = with_length(config, records(5100, 100), directory, digest, GPU)
    assert again.content() == begun.content()
    elsewhere = RunDirectory(tmp_path / "other")
    assert with_length(config, records(5100, 100), elsewhere, digest, GPU) != begun
    # What lies there of another configuration says nothing.
    other = compose(["scale=photos", "dataset=coco-folder", "root=a", "seed=1"])
    anew = with_length(other, records(100, 0), directory, other.sha256, CPU)
    assert anew.images.iterations_1x == 600
    told = compose(["scale=photos", "dataset=coco-folder", "root=a", "images.iterations_1x=7"])
    assert with_length(told, records(100, 0), directory, told.sha256, CPU) is told


def shown(*words: object) -> int:
    """The length of 1x that a run of `scale=photos` would have."""
    outcome = boxseg("train", "scale=photos", "dataset=coco-folder", "--show-config", *words)
    assert outcome.code == 0, outcome.err
    length: int = yaml.safe_load(outcome.out)["images"]["iterations_1x"]
    return length


def test_images_that_are_trained_on_count(coco_root: Path, tmp_path: Path) -> None:
    where = (f"root={coco_root}", f"run_dir={tmp_path / 'run'}")
    assert shown(*where) == 600
    least = "scale.images.photographs.length.least=1"
    assert shown(*where, least) == 24  # 12 times 8 images, 4 a step
    file = coco_root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    first, *others = [image["id"] for image in content["images"]]
    kept = [one for one in content["annotations"] if one["image_id"] != first]
    file.write_text(json.dumps({**content, "annotations": kept}))
    assert shown(*where, least) == 21
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(map(str, [first, *others[:3]])))
    assert shown(*where, least, f"ids={ids}") == 9
    assert shown(*where, least, "images.iterations_1x=5") == 5


def test_without_images_to_count_nothing_is_shown(tmp_path: Path) -> None:
    words = ("train", "scale=photos", "dataset=coco-folder", "--show-config")
    for where in ((), (f"root={tmp_path / 'nothing'}",)):
        refused = boxseg(*words, *where).complaint
        assert "follows from the images to train on, which cannot be counted" in refused
        assert "set images.iterations_1x=N" in refused
    assert boxseg(*words, "images.iterations_1x=5").code == 0


def test_a_run_by_the_rule(coco_root: Path, tmp_path: Path) -> None:
    words = (
        *("train", "scale=photos", "method=boxinst", "dataset=coco-folder", f"root={coco_root}"),
        *("threads=1", "device=cpu", f"run_dir={tmp_path / 'run'}"),
        "scale.images.photographs.length.least=1",
        "scale.images.photographs.length.epochs=1",
    )
    outcome = boxseg(*words)
    assert outcome.code == 0, outcome.err
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["images"]["iterations_1x"] == kept["solver"]["iterations"] == 2
    assert kept["images"]["short_sides"] == [160, 176, 192]
    assert result(tmp_path / "run")["iterations"] == 2
    assert result(tmp_path / "run")["deviations"] == []
    again = boxseg(*words)
    assert again.code == 0 and "is finished; nothing to train" in again.err
    # Gone on with after it was begun where the rule gave more: it has still to get there.
    kept["images"]["iterations_1x"] = 3
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(kept))
    (tmp_path / "run" / "result.json").unlink()
    more = boxseg(*words)
    assert more.code == 0 and "at step 2 of 3" in more.err, more.err
    assert result(tmp_path / "run")["iterations"] == 3
