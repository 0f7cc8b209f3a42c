"""`boxseg evaluate`: a checkpoint's scores, on its own split or another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.experiments.command_line import boxseg, result, trained


def scores(out: str) -> list[str]:
    """The table of an evaluation, without the path below it."""
    return out.splitlines()[:-1]


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to write into."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_s_own_scores_come_out_again(run_dir: Path) -> None:
    before = (run_dir / "predictions.json").read_bytes()
    outcome = boxseg("evaluate", run_dir)
    assert outcome.code == 0, outcome.err
    metrics = result(run_dir)["metrics"]
    for line, kind in zip(scores(outcome.out)[1:3], ("segm", "bbox"), strict=True):
        names = ("AP", "AP50", "AP75", "APs", "APm", "APl")
        values = [metrics[f"{kind}/{name}"] for name in names]
        assert line.split()[1:] == ["-" if v is None else f"{v:.1f}" for v in values]
    assert outcome.out.splitlines()[-1] == f"{run_dir}/predictions.json"
    assert (run_dir / "predictions.json").read_bytes() == before


def test_the_checkpoint_s_file_will_do(run_dir: Path, tmp_path: Path) -> None:
    outcome = boxseg("evaluate", run_dir / "checkpoint.pt", "--out", tmp_path / "out")
    assert scores(outcome.out) == scores(boxseg("evaluate", run_dir).out)
    assert (tmp_path / "out" / "predictions.json").exists()


def test_another_split(run_dir: Path) -> None:
    outcome = boxseg("evaluate", run_dir, "--split", "similar-background")
    assert outcome.code == 0, outcome.err
    file = run_dir / "predictions-scenes-similar-background.json"
    assert outcome.out.splitlines()[-1] == str(file)
    assert {one["image_id"] for one in json.loads(file.read_text())} <= {1, 2, 3, 4}


def test_other_data(run_dir: Path, coco_root: Path) -> None:
    outcome = boxseg("evaluate", run_dir, "--dataset", "coco-folder", "--root", coco_root)
    assert outcome.code == 0, outcome.err
    file = run_dir / "predictions-coco-folder-val.json"
    assert {one["image_id"] for one in json.loads(file.read_text())} <= {1, 2, 3, 4}


def test_categories_are_matched_by_their_names(run_dir: Path, coco_root: Path) -> None:
    """Another folder may number the same categories the other way round."""
    words = ("evaluate", run_dir, "--dataset", "coco-folder", "--root", coco_root)
    before = boxseg(*words).out
    found = run_dir / "predictions-coco-folder-val.json"
    ids = [one["category_id"] for one in json.loads(found.read_text())]
    annotations = coco_root / "annotations" / "instances_val.json"
    content = json.loads(annotations.read_text())
    highest = max(one["id"] for one in content["categories"]) + 1
    for one in content["categories"]:
        one["id"] = highest - one["id"]
    for one in content["annotations"]:
        one["category_id"] = highest - one["category_id"]
    annotations.write_text(json.dumps(content))
    outcome = boxseg(*words)
    assert outcome.out == before
    assert "instances_val.json come in another order; they are found by name" in outcome.err
    assert [one["category_id"] for one in json.loads(found.read_text())] == [
        highest - id_ for id_ in ids
    ]
    content["categories"][0]["name"] = "something else"
    annotations.write_text(json.dumps(content))
    assert "1 unknown to it (first: 'something else')" in boxseg(*words).complaint


def test_the_training_split_may_be_gone(run_dir: Path, coco_root: Path) -> None:
    (coco_root / "annotations" / "instances_train.json").unlink()
    shutil.rmtree(coco_root / "train")
    outcome = boxseg("evaluate", run_dir, "--dataset", "coco-folder", "--root", coco_root)
    assert outcome.code == 0, outcome.err


def test_a_folder_s_name_may_have_any_characters(run_dir: Path, coco_root: Path) -> None:
    odd = coco_root.rename(coco_root.parent / "it's, a=b {c}")
    outcome = boxseg("evaluate", run_dir, "--dataset", "coco-folder", "--root", odd)
    assert outcome.code == 0, outcome.err


def test_categories_and_other_measures(run_dir: Path) -> None:
    outcome = boxseg("evaluate", run_dir, "--per-class", "--voc", "--boundary")
    assert outcome.code == 0, outcome.err
    plain = scores(boxseg("evaluate", run_dir).out)
    lines = outcome.out.splitlines()
    assert [line.split() for line in lines[:3]] == [line.split() for line in plain[:3]]
    assert lines[3].split()[0] == "outline"
    assert lines[5].startswith("VOC (area under the whole curve): mask AP50 ")
    heads = ["mask AP", "mask AP50", "mask AP75", "box AP", "box AP50", "box AP75"]
    outlines = ["outline AP", "outline AP50", "outline AP75"]
    assert lines[6].split("  ")[0] == "category"
    assert [head.strip() for head in lines[6].split("  ") if head][2:] == heads + outlines
    names = [category["name"] for category in categories_of(run_dir)]
    assert [line.split("  ")[0] for line in lines[7:-1]] == names


def categories_of(run_dir: Path) -> list[dict[str, str]]:
    """The categories of the data that a run was evaluated on, in order."""
    config = OmegaConf.load(run_dir / "config.yaml")
    (file,) = Path(config.data_dir).glob("scenes-v*/annotations/instances_val.json")
    found: list[dict[str, str]] = json.loads(file.read_text())["categories"]
    return found


def test_situations(run_dir: Path) -> None:
    outcome = boxseg("evaluate", run_dir, "--situations")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[:4] == scores(boxseg("evaluate", run_dir).out)
    splits = ["val", "similar-background", "overlap-inter-class", "overlap-intra-class"]
    table = [line.split()[0] for line in lines[4:-4] if line]
    assert table == ["mask", *splits, "box", *splits]
    alone = boxseg("evaluate", run_dir, "--split", "overlap-inter-class").out.splitlines()
    assert lines[7].split()[1:] == alone[1].split()[1:]
    assert lines[-4:] == [
        f"{run_dir}/predictions.json",
        *(f"{run_dir}/predictions-scenes-{split}.json" for split in splits[1:]),
    ]


def test_a_submission_of_an_annotated_split(run_dir: Path) -> None:
    outcome = boxseg("evaluate", run_dir, "--submission", "--algorithm", "mine")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[:4] == scores(boxseg("evaluate", run_dir).out)
    assert (run_dir / "detections_val_mine_results.zip").exists()


CONFIDENT = ("images.iterations_1x=24", "segmenter.detector.score_threshold=0.001")


@pytest.fixture(scope="module")
def taught(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs of BoxTeacher and of QAM, long enough to find something."""
    folder = tmp_path_factory.mktemp("taught")
    methods = {"boxteacher": ["method=boxteacher"], "qam": ["method=boxseg", "copy_paste=none"]}
    return [trained(folder / name, *words, *CONFIDENT) for name, words in methods.items()]


def test_detections_scored_by_their_masks_and_not_in_one_command(taught: list[Path]) -> None:
    outcome = boxseg("evaluate", *taught, "--rescoring", "both")
    assert outcome.code == 0, outcome.err
    head, *lines = outcome.out.splitlines()
    assert head.split() == ["mask", "AP", "none", "mask-aware", "difference"]
    for run, line in zip(taught, lines, strict=False):
        name, plain, rescored, difference = line.split()
        assert name == str(run)
        assert float(rescored) == pytest.approx(result(run)["metrics"]["segm/AP"], abs=0.005)
        assert float(difference) == pytest.approx(float(rescored) - float(plain), abs=0.011)
        alone = boxseg("evaluate", run, "--rescoring", "none").out.splitlines()
        assert float(alone[1].split()[1]) == pytest.approx(float(plain), abs=0.051)
        assert alone[-1] == f"{run}/predictions-rescoring-none.json"
    assert lines[2:] == [
        f"{run}/predictions-rescoring-{name}.json"
        for run in taught
        for name in ("none", "mask-aware")
    ]


def test_other_scores_of_the_same_detections(taught: list[Path]) -> None:
    run = taught[1]
    assert boxseg("evaluate", run, "--rescoring", "both").code == 0
    own = json.loads((run / "predictions.json").read_text())
    plain, rescored = (
        json.loads((run / f"predictions-rescoring-{name}.json").read_text())
        for name in ("none", "mask-aware")
    )
    assert rescored == own
    assert len(own) > 0
    for one, other in zip(plain, rescored, strict=True):
        # sqrt(s m), where m is above one half, or 0 where the mask is empty.
        bounds = (0.5 * one["score"]) ** 0.5, one["score"] ** 0.5
        assert other["score"] == 0 or bounds[0] <= other["score"] + 1e-6 <= bounds[1] + 2e-6
        assert {**one, "score": 0} == {**other, "score": 0}


def test_several_runs_one_after_the_other(taught: list[Path]) -> None:
    outcome = boxseg("evaluate", *taught)
    assert outcome.code == 0, outcome.err
    apart = [f"{run}:\n{boxseg('evaluate', run).out}" for run in taught]
    assert outcome.out == "".join(apart)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{run} --out out", "--out is for one run"),
        ("--rescoring both --per-class", "compares mask AP alone; leave --per-class out"),
        ("--rescoring both --situations", "compares mask AP alone; leave --situations out"),
    ],
)
def test_what_cannot_be_compared(run_dir: Path, words: str, said: str) -> None:
    given = words.format(run=run_dir).split()
    assert said in boxseg("evaluate", run_dir, *given).complaint


def test_a_host_whose_detections_masks_cannot_score(data_dir: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "method=mask-rcnn")
    said = boxseg("evaluate", run, "--rescoring", "none").complaint
    assert "has segmenter=mask-rcnn, which has no place for rescoring=none" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--situations --dataset coco-folder --root {coco}", "has no split 'similar-background'"),
        ("--split test", "dataset scenes has no split 'test'; choose one of train, val"),
        ("--dataset imagenet", "there is no dataset 'imagenet'; choose one of"),
        ("--dataset scenes-b", "is of another architecture"),
        ("--dataset coco-folder", "dataset coco-folder needs its folder"),
        ("--dataset coco-folder --root /nowhere", "/nowhere is not a folder"),
        ("--out /proc/nowhere", "cannot write /proc/nowhere/predictions.json"),
    ],
)
def test_what_cannot_be_evaluated(run_dir: Path, coco_root: Path, words: str, said: str) -> None:
    given = words.format(coco=coco_root).split()
    assert said in boxseg("evaluate", run_dir, *given).complaint


@pytest.mark.parametrize(
    "content",
    [b"seed: [1, 2", b"", b"- 1\n- 2\n", b"seed: 0\n", b"just text", b"\xff\xfe\x00", b"a: ${b}\n"],
    ids=["cut short", "empty", "list", "other keys", "text", "binary", "reference"],
)
def test_a_configuration_that_is_none(run_dir: Path, content: bytes) -> None:
    (run_dir / "config.yaml").write_bytes(content)
    said = boxseg("evaluate", run_dir).complaint
    assert said.startswith(f"{run_dir}/config.yaml ")


def test_what_is_missing_is_named(run_dir: Path) -> None:
    (run_dir / "config.yaml").unlink()
    assert f"there is no config {run_dir}/config.yaml" in boxseg("evaluate", run_dir).complaint
    (run_dir / "checkpoint.pt").unlink()
    said = boxseg("evaluate", run_dir).complaint
    assert f"there is no checkpoint {run_dir}/checkpoint.pt" in said


def test_a_truncated_checkpoint(run_dir: Path) -> None:
    file = run_dir / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:5000])
    assert f"checkpoint {file} cannot be read" in boxseg("evaluate", run_dir).complaint


def test_a_checkpoint_of_another_architecture(run_dir: Path, condinst: Path) -> None:
    shutil.copy(condinst / "checkpoint.pt", run_dir)
    assert "is of another architecture" in boxseg("evaluate", run_dir).complaint
