"""What is missing is found before anything is submitted or trained, and all of it at once."""

from __future__ import annotations

import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from boxseg.doctor import Finding
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.choices import choices
from experiments.configuration.compose import compose, quoted
from experiments.configuration.schema import Launcher
from experiments.launch.preflight import Lack, gpu_memory, lacks_of, of_paper_scale
from experiments.launch.slurm.preflight import lacks_of_slurm
from tests.experiments.command_line import Outcome, boxseg
from tests.experiments.slurm_commands import Commands

PAPER = ("method=boxseg", "dataset=coco", "scale=paper")


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place with neither data nor weights."""
    monkeypatch.chdir(tmp_path)
    for name in ("BOXSEG_COCO", "BOXSEG_VOC", "BOXSEG_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)


def write_coco(root: Path) -> Path:
    """The layout of a download; nobody looks into it here."""
    for split in ("train2017", "val2017"):
        (root / split).mkdir(parents=True)
        (root / split / "000000000001.jpg").touch()
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps({}))
    return root


def missing(*words: str) -> list[str]:
    """The names of what a run with these words lacks."""
    return [lack.name for lack in lacks_of([compose([*PAPER, *words])])]


def reproduce(*words: str) -> Outcome:
    return boxseg("reproduce", "table3", "--scale", "paper", "--runs", "runs", *words)


def test_neither_data_nor_weights(slurm_commands: Commands) -> None:
    outcome = reproduce("--launcher", "slurm")
    assert outcome.code == 2
    data, weights, last = outcome.err.splitlines()
    assert data.startswith(
        "missing: data of coco: nothing says where they are; set BOXSEG_COCO=DIR"
    )
    assert weights.startswith("missing: pretrained MSRA-R-50: weights/MSRA-R-50.pt does not exist")
    assert "set BOXSEG_WEIGHTS=FOLDER" in weights
    assert last.startswith("boxseg: 2 things are missing, as said above, so nothing was submitted;")
    assert not any("sbatch" in call for call in slurm_commands.calls)
    assert not Path("runs").exists()


def test_a_dry_run_lists_the_same(slurm_commands: Commands) -> None:
    listed = reproduce("--launcher", "slurm").err.splitlines()[:-1]
    outcome = reproduce("--launcher", "slurm", "--dry-run")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-2:] == listed


@pytest.mark.parametrize("launcher", ["inline", "local"])
def test_nothing_is_trained_either(launcher: str) -> None:
    outcome = reproduce("--launcher", launcher)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("boxseg: 2 things are missing")
    assert "so nothing was trained" in outcome.err
    assert not Path("runs").exists()


def test_a_run_of_its_own_lists_them_too() -> None:
    outcome = boxseg("train", *PAPER)
    assert outcome.code == 2
    assert outcome.err.count("missing: ") == 2
    assert not Path("runs").exists()


def test_what_is_there_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOXSEG_COCO", str(write_coco(tmp_path / "coco")))
    assert missing() == ["pretrained MSRA-R-50"]
    weights = tmp_path / "other"
    weights.mkdir()
    (weights / "MSRA-R-50.pt").touch()
    monkeypatch.setenv("BOXSEG_WEIGHTS", str(weights))
    assert missing() == []
    assert missing("backbone=r101-dcn") == ["pretrained MSRA-R-101"]
    assert missing(f"initial_weights={quoted(weights / 'MSRA-R-50.pt')}") == []
    assert missing("initial_weights=gone.pt") == ["initial weights"]
    # A checkpoint to start from takes the backbone's place.
    assert missing("backbone=r101-dcn", f"from={quoted(weights / 'MSRA-R-50.pt')}") == []
    assert missing("from=gone") == ["checkpoint to start from"]
    assert missing("root=elsewhere") == ["data of coco"]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("annotations/instances_train2017.json", "data of coco to train on"),
        ("annotations/instances_val2017.json", "data of coco to evaluate"),
        ("train2017/000000000001.jpg", "data of coco to train on"),
        ("val2017", "data of coco to evaluate"),
    ],
)
def test_a_part_of_the_data(tmp_path: Path, place: str, name: str) -> None:
    root = write_coco(tmp_path / "coco")
    gone = root / place
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    assert missing(f"root={quoted(root)}", "scale.needs_initial_weights=false") == [name]


def test_generated_data_are_never_missing() -> None:
    assert lacks_of([compose(["scale=mini"])]) == []


def test_packages_that_a_segmenter_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mmdet", "mmengine"):
        monkeypatch.setitem(sys.modules, package, None)
    assert lacks_of([compose(["method=boxinst"]), compose(["method=mask-rcnn"])]) == []
    configs = [compose([f"method={name}"]) for name in ("box2mask-t", "mmdet-boxinst", "boxseg-t")]
    assert [lack.sentence() for lack in lacks_of(configs)] == [
        f"packages mmdet, mmengine: not installed, which {host} needs; "
        "run `make setup EXTRAS=mmdet`."
        for host in ("QuerySegmenter", "MMDetBoxInst")
    ]


def test_a_run_makes_no_data_for_want_of_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmdet", None)
    outcome = boxseg("train", "method=box2mask-t", "scale=smoke", "data_dir=data")
    assert outcome.code == 2
    assert outcome.err == (
        "boxseg: package mmdet: not installed, which QuerySegmenter needs; run `make setup "
        "EXTRAS=mmdet`.\n"
    )
    assert not Path("data").exists() and not Path("runs").exists()


@pytest.mark.parametrize("segmenter", choices("segmenter"))
def test_what_cannot_be_built_for_want_of_a_package_is_listed(
    segmenter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mmdet", None)
    own = [] if segmenter == "mask-rcnn" else ["step=plain", "losses=box"]
    config = compose([f"segmenter={segmenter}", *own, "scale=smoke"])
    lacks = lacks_of([config])
    try:
        build(config.segmenter, config.packages)
    except InputError as error:
        assert "package mmdet" in str(error)
        assert [lack.name for lack in lacks] == ["package mmdet"]
    else:
        assert lacks == []


def test_a_gpu_with_too_little_memory() -> None:
    config = compose(["scale=paper", "dataset=coco", "method=boxseg"])
    assert gpu_memory([config], lambda: None) == gpu_memory([config], lambda: 30.0) == []
    assert gpu_memory([config.changed(device="cpu")], lambda: 8.0) == []
    small = compose(["scale=paper", "dataset=coco", "method=boxinst"])
    (lack,) = gpu_memory([small, config], lambda: 17.0)
    assert lack.sentence() == (
        "GPU memory: about 30 GB are needed, as estimated from what was measured, and this GPU has "
        "17; give solver.batch_size=8 solver.accumulate=2, or launcher.tasks_per_node=2."
    )
    words = ["solver.batch_size=8", "solver.accumulate=2"]
    assert gpu_memory([compose(["scale=paper", "method=boxseg", *words])], lambda: 17.0) == []


def test_a_disk_that_will_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**7, 0, 10**7))
    words = ("--scale", "smoke", "--runs", "runs", "--rows", "qam", "--dry-run")
    listed = boxseg("reproduce", "table3", *words).out.splitlines()[-1]
    assert listed.startswith("missing: free disk: 2 runs take about 0.0 GB, and 0.0 GB are free;")


def test_partition_and_account_as_far_as_slurm_tells(slurm_commands: Commands) -> None:
    plain = compose([]).launcher

    def lacks(**asked: str) -> list[Lack]:
        return lacks_of_slurm([Launcher.model_validate(plain.model_dump() | asked)])

    assert lacks(partition="gpu", account="vision") == []  # neither command answers
    slurm_commands.says("sinfo", "Welcome to the third machine", "cpu", "gpu")
    slurm_commands.says("sacctmgr", "vision", "vision")
    assert lacks() == lacks(partition="cpu,gpu", account="vision") == []
    partition, account = lacks(partition="cpu,night", account="sound")
    assert partition.sentence() == (
        "partition night: Slurm knows cpu, gpu; give launcher.partition=NAME."
    )
    assert account.sentence() == "account sound: Slurm knows vision; give launcher.account=NAME."


def test_the_doctor_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOXSEG_COCO", str(write_coco(tmp_path / "coco")))
    found = {finding.name: finding for finding in of_paper_scale()}
    assert found["data of coco"] == Finding("data of coco", "found")
    assert not found["data of voc"].ok
    assert found["data of voc"].remedy.startswith("set BOXSEG_VOC=DIR")
    assert not found["pretrained MSRA-R-101"].ok
    assert str(tmp_path) not in str(found)
    assert "data of voc: the paper scale; set BOXSEG_VOC=DIR" in boxseg("doctor").out
