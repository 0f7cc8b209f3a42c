"""Bad input: one sentence on standard error, exit code 2, no traceback, nothing trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boxseg.data.dataset import Dataset
from experiments.launch.tables import definitions
from tests.experiments.command_line import boxseg, result, train

Content = dict[str, Any]


def change(annotations: Path, alter: Callable[[Content], object]) -> None:
    content = json.loads(annotations.read_text())
    alter(content)
    annotations.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("method=boxsegg", "there is no method 'boxsegg'; choose one of box2mask-c"),
        ("dataset=imagenet", "there is no dataset 'imagenet'; choose one of"),
        ("scale=huge", "there is no scale 'huge'; choose one of mini, paper, photos, smoke."),
        ("schedule=2x", "there is no such schedule; choose one of 1x, 3x, 50e."),
        ("backbone=vgg", "there is no such backbone; choose one of r50, r101, r101-dcn."),
        ("solver.batchsize=4", "unknown key 'solver.batchsize' in 'solver.batchsize=4'; did you"),
        ("lr=0.1", "unknown key 'lr' in 'lr=0.1'; did you mean solver.optimizer.learning_rate."),
        ("epochs=3", "did you mean solver.iterations."),
        ("sede=1", "unknown key 'sede' in 'sede=1'; did you mean seed"),
        ("model.detector.depth=3", "unknown key 'model.detector.depth'"),
        ("+new=1", "'+new=1' adds or deletes a key; only existing keys can be set"),
        ("~seed", "'~seed' adds or deletes a key"),
        ("seed=one", "'seed=one' gives seed a text where it is a number."),
        ("seed=true", "gives seed a truth value where it is a number."),
        ("seed=[1]", "gives seed a list where it is a number."),
        ("images.max_side=wide", "gives images.max_side a text where it is a number."),
        ("solver=3", "gives solver a number where it is a mapping."),
        ("load_masks=1", "gives load_masks a number where it is a truth value."),
        ("seed", "'seed' is not of the form KEY=VALUE; write for example seed=1."),
        ("=3", "unknown key '' in '=3'"),
        ("seed=-1", "seed is -1; give a whole number from 0 to 4294967295."),
        ("seed=0.5", "seed is 0.5; give a whole number"),
        ("seed=null", "seed is None; give a whole number"),
        ("solver.batch_size=0", "solver.batch_size is 0; give a whole number from 1"),
        ("solver.accumulate=0", "solver.accumulate is 0; give a whole number from 1"),
        ("checkpoint_period=0", "checkpoint_period is 0; give a whole number from 1"),
        ("log_period=0", "log_period is 0; give a whole number from 1"),
        ("images.short_sides=[]", "images.short_sides is []; give a whole number from 1"),
        ("solver={batch_size:4}", "the key 'iterations' is missing at solver (and 5 more)."),
        ("solver.optimizer={a:1}", "'solver.optimizer={a:1}': its keys ('a') lack _target_."),
        ("model=null", "model is None; give a mapping."),
        ("images.pixel_factor=0", "images.pixel_factor is 0; give a number above 0."),
        ("images.short_sides=[64,x]", "short_sides is [64, 'x']; give a whole number from 1"),
        ("scale.version=0", "scale.version is 0; give a whole number of at least 1."),
        ("deterministic=maybe", "deterministic 'maybe' is not one of auto, true, false."),
        ("channel_order=GBR", "channel_order 'GBR' is not one of RGB, BGR."),
        ("launcher.nodes=0", "launcher.nodes is 0; give a whole number from 1 to 65536."),
        ("model.detector.score_threshold=high", "score_threshold is 'high' where boxseg.condinst"),
        ("threads=0", "threads is 0; give a whole number from 1"),
        ("device=tpu", "device=tpu cannot be used"),
        ("device=cuda:99", "device=cuda:99 cannot be used"),
        ("solver.precision=float16", "precision 'float16' is not one of"),
        ("dataset=coco-folder", "dataset coco-folder needs its folder; give root=DIR"),
        ("images.iterations_1x=1", "the learning rate's steps [1, 1] must rise within"),
        ("model.detector.sizes_of_interest=[8]", "cannot be built from the configuration"),
    ],
)
def test_words_of_the_command_line(tmp_path: Path, words: str, said: str) -> None:
    outcome = boxseg("train", "scale=smoke", f"run_dir={tmp_path}/run", *words.split())
    assert said in outcome.complaint
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("fly", "there is no command 'fly'; choose among reproduce, train,"),
        ("repoduce table3", "there is no command 'repoduce'; did you mean reproduce; see"),
        ("train --fast", "unrecognized arguments: --fast"),
        ("reproduce", "the following arguments are required"),
        (
            "reproduce table9",
            "there is no table 'table9'; choose among coco-photos, controls, table1",
        ),
        ("reproduce seed=1", "no table is named; give one, for example table3."),
        ("reproduce table3 --scale huge", "there is no scale 'huge'"),
        ("reproduce table3 --seeds 0", "--seeds 0 is not a positive number."),
        ("reproduce table3 --seeds x", "argument --seeds: invalid int value: 'x'"),
        ("reproduce table3 --jobs 2", "--jobs takes a positive number and goes with --launcher"),
        ("reproduce table3 --launcher local --jobs 0", "--jobs takes a positive number"),
        ("reproduce table3 --launcher rocket", "invalid choice: 'rocket'"),
        ("reproduce table3 --rows best", "table3 has no row 'best'; choose among baseline"),
        ("reproduce table3 --scale smoke --rows best", "table3 has no row 'best'"),
        ("reproduce table3 --scale smoke sede=1 --dry-run", "unknown key 'sede'"),
        ("reproduce table3 --scale smoke --rows baseline sede=1", "unknown key 'sede'"),
        ("reproduce table3 --scale smoke best", "unrecognized arguments: best"),
        ("status table3 --scale smoke seed=1", "unrecognized arguments: seed=1"),
        ("status table9", "there is no table 'table9'"),
        ("status table3 --scale huge", "there is no scale 'huge'"),
        ("report table9 --runs .", "there is no table 'table9'"),
        ("report --scale huge --runs .", "there is no scale 'huge'"),
        ("report --runs nowhere", "there is no folder nowhere with runs; give one with --runs"),
        ("data check imagenet", "there is no dataset 'imagenet'"),
        ("data mend scenes", "invalid choice: 'mend'"),
        ("data check coco-folder", "dataset coco-folder needs its folder"),
        ("data check coco-folder --root nowhere", "nowhere is not a folder; give root=DIR"),
        ("evaluate nowhere", "there is no checkpoint nowhere; give a run directory or"),
    ],
)
def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in boxseg(*words.split()).complaint
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_not_available_yet() -> None:
    """A whole table leaves such rows out; asked for by name they are refused."""
    for row in definitions(["table3"])[0].rows:
        if row.unavailable is not None:
            outcome = boxseg("reproduce", "table3", "--scale", "smoke", "--rows", row.name)
            assert outcome.complaint == (
                f"row {row.name} of table3 is not yet available: {row.unavailable}."
            )


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (None, r"is not valid JSON: "),
        (lambda c: c.pop("images"), "`images` in {file} is missing or not a list"),
        (
            lambda c: c["images"].pop(0),
            "annotation 1 in {file} refers to image 1, which `images` does not list; list the "
            "image or remove the annotation.",
        ),
        (
            lambda c: c["images"][0].update(file_name="gone.png"),
            "gone.png, which does not exist; put it there or remove the image from the JSON.",
        ),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, "x", 4]), "annotation 1 in {file} has"),
    ],
    ids=["malformed", "no images", "image not listed", "file missing", "box of text"],
)
def test_annotations(
    coco_root: Path,
    tmp_path: Path,
    split: str,
    alter: Callable[[Content], object] | None,
    said: str,
) -> None:
    file = coco_root / "annotations" / f"instances_{split}.json"
    if alter is None:
        file.write_text(file.read_text()[:-20])
    else:
        change(file, alter)
    run_dir = tmp_path / "run"
    outcome = train(run_dir, "method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    assert said.format(file=file) in outcome.complaint
    # Found before training, also where only the evaluation would have met it.
    assert not (run_dir / "metrics.jsonl").exists()
    assert outcome.complaint == json.loads((run_dir / "failed.json").read_text())["error"]


def test_masks_that_cannot_be_evaluated_are_found_before_training(
    coco_root: Path, tmp_path: Path
) -> None:
    file = coco_root / "annotations" / "instances_val.json"
    change(file, lambda c: c["annotations"][2].update(segmentation=[[1, 2]]))
    run_dir = tmp_path / "run"
    outcome = train(run_dir, "method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    assert f"annotation 3 in {file} cannot be evaluated: its segmentation has" in outcome.complaint
    assert not (run_dir / "metrics.jsonl").exists()


def test_other_categories_in_the_evaluated_split(coco_root: Path, tmp_path: Path) -> None:
    file = coco_root / "annotations" / "instances_val.json"
    change(file, lambda c: c["categories"][0].update(name="other"))
    outcome = train(tmp_path / "run", "dataset=coco-folder", f"root={coco_root}")
    assert "split val of coco-folder has other categories than split train" in outcome.complaint


def test_another_number_of_categories_than_configured(coco_root: Path, tmp_path: Path) -> None:
    words = ("dataset=coco-folder", f"root={coco_root}", "dataset.num_classes=5")
    outcome = train(tmp_path / "run", *words)
    assert "dataset.num_classes is 5, but instances_train.json lists 8" in outcome.complaint


def test_an_image_that_is_none(coco_root: Path, tmp_path: Path) -> None:
    (image := coco_root / "train" / "000002.png").write_bytes(b"no image")
    outcome = train(tmp_path / "run", "dataset=coco-folder", f"root={coco_root}")
    assert outcome.complaint.startswith(f"image {image} cannot be read")


def test_boxes_that_are_none_are_dropped_counted_and_reported(
    coco_root: Path, tmp_path: Path
) -> None:
    def spoil(content: Content) -> None:
        boxes = ([10, 10, 0, 5], [10, 10, 5, -1], [64, 0, 10, 10], [-20, 5, 10, 10], [60, 60, 9, 9])
        for annotation, box in zip(content["annotations"], boxes, strict=False):
            annotation["bbox"] = box

    file = coco_root / "annotations" / "instances_train.json"
    change(file, spoil)
    total = len(json.loads(file.read_text())["annotations"])
    run_dir = tmp_path / "run"
    outcome = train(run_dir, "method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    assert outcome.code == 0, outcome.err
    said = (
        f"instances_train.json: 8 images, {total - 4} boxes; dropped 2 (annotations 1, 2) of zero "
        "area, 2 (annotations 3, 4) outside the image; clipped 1 (annotation 5)."
    )
    assert said in outcome.err
    assert said in (run_dir / "log.txt").read_text()
    assert result(run_dir)["iterations"] == 4


def test_no_usable_box_at_all(coco_root: Path, tmp_path: Path) -> None:
    def spoil(content: Content) -> None:
        for annotation in content["annotations"]:
            annotation["bbox"] = [0, 0, 0, 0]

    change(coco_root / "annotations" / "instances_train.json", spoil)
    outcome = train(tmp_path / "run", "dataset=coco-folder", f"root={coco_root}")
    assert "none of the training images has a usable box" in outcome.complaint


@pytest.mark.parametrize("place", ["file", "file/below/run", "/proc/nowhere/run"])
def test_run_directories_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    outcome = train(tmp_path / place, "method=boxinst")
    assert outcome.complaint.startswith(f"cannot write in run directory {tmp_path / place}: ")


def test_data_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = train(tmp_path / "run", f"data_dir={tmp_path}/file/below")
    assert outcome.complaint.startswith(f"cannot write scenes to {tmp_path}/file/below")


def test_a_run_directory_of_another_configuration(finished: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.iterdir()}
    outcome = train(finished, "method=boxinst", "seed=5")
    assert outcome.complaint == (
        f"{finished} holds a run of another configuration (see {finished}/config.yaml); choose "
        "another run_dir or move it away."
    )
    assert {file: file.stat().st_mtime_ns for file in finished.iterdir()} == before


def test_a_result_that_is_torn(finished: Path, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(finished, tmp_path / "run"))
    (run_dir / "result.json").write_text('{"schema": 1')
    outcome = train(run_dir, "method=boxinst", "images.iterations_1x=24")
    assert f"{run_dir}/result.json is not valid JSON" in outcome.complaint


def test_initial_weights(tmp_path: Path, finished: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_text("none")
    for file, said in (
        (weights, f"checkpoint {weights} cannot be read"),
        (tmp_path / "gone.pt", f"checkpoint {tmp_path}/gone.pt does not exist"),
        (finished / "checkpoint.pt", "holds no state dict"),
    ):
        outcome = train(tmp_path / "run", f"initial_weights={file}")
        assert said in outcome.complaint


def test_the_paper_s_scale_wants_its_weights(coco_root: Path, tmp_path: Path) -> None:
    outcome = boxseg(
        "train",
        "scale=paper",
        "dataset=coco-folder",
        f"root={coco_root}",
        f"run_dir={tmp_path}/run",
        "threads=1",
        "scale.segmenter.channels=32",
        "num_classes=8",
    )
    assert "starts from an ImageNet-pretrained backbone; give its state" in outcome.complaint


def test_what_the_data_check_finds(coco_root: Path) -> None:
    words = ("data", "check", "coco-folder", "--root", coco_root)
    good = boxseg(*words, "--strict")
    assert (good.code, good.err) == (0, "")
    assert "train: images 8, annotations" in good.out
    change(
        coco_root / "annotations" / "instances_train.json",
        lambda c: c["annotations"][0].update(bbox=[10, 10, 0, 5]),
    )
    assert boxseg(*words).code == 0
    bad = boxseg(*words, "--strict")
    assert bad.complaint == "1 defects in coco-folder."
    assert "annotation 1 has the box [10, 10, 0, 5]" in bad.out


def test_preparing_data_is_done_once(scenes: Dataset) -> None:
    split = scenes.split("val")
    before = split.annotations.stat().st_mtime_ns
    outcome = boxseg("data", "prepare", "scenes", "--scale", "smoke")
    assert outcome.code == 0
    shown = [line for line in outcome.out.splitlines() if not line.startswith("  ")]
    assert [line.split(":")[0] for line in shown] == list(scenes.splits)
    assert split.annotations.stat().st_mtime_ns == before
