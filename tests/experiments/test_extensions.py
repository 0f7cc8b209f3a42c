"""A method, a labeller, a loss, data and a table of somebody else, beside the checkout."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.choices import choices
from experiments.configuration.compose import compose
from experiments.configuration.extensions import Extensions, use
from experiments.launch.runs import expand
from experiments.launch.slurm.task import RunTask
from experiments.launch.tables import definitions
from tests.conftest import REPOSITORY
from tests.experiments.command_line import boxseg, losses, result, train, trained
from tests.experiments.run.test_resume import assert_ended_like, wait_for

PACKAGE = '''
import torch
from torch import nn

from boxseg.box_masks import box_masks
from boxseg.mask_losses import LossTerms, MaskLoss
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, boxes_of


class Boxes(PseudoLabeller):
    """The boxes themselves are the masks; it remembers how many images it has labelled."""

    def __init__(self, quality):
        super().__init__()
        self.quality = quality
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))

    def forward(self, predictions, objects):
        self.images += len(objects)
        boxes = boxes_of(objects, predictions.device)
        masks = box_masks(boxes, predictions.mask_stride, *predictions.mask_size)
        valid = masks.flatten(1).any(dim=1)
        quality = self.quality * valid.float()
        return PseudoMasks(
            masks.float(), 0.5, masks, quality, quality, valid, valid.long()
        )


class Sharpened(MaskLoss):
    """Cross-entropy with the pseudo masks, at a temperature that is learned."""

    needs_pseudo_masks = True

    def __init__(self, temperature):
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(temperature))

    def forward(self, predictions):
        masks = predictions.pseudo_targets.masks[predictions.object_index].float()
        logits = predictions.logits * self.temperature
        loss = nn.functional.binary_cross_entropy_with_logits(logits, masks)
        return LossTerms({"loss_sharpened": loss}, {})
'''

FILES = {
    "pseudo_labels/boxes-themselves.yaml": "_target_: theirs.Boxes\nquality: 0.75\n",
    "losses/sharpened.yaml": """
        defaults: [box]
        sharpened:
          _target_: theirs.Sharpened
          temperature: 1.0
    """,
    "method/theirs.yaml": """
        # @package _global_
        defaults:
          - override /losses: sharpened
          - override /step: teacher-student
          - override /pseudo_labels: boxes-themselves
        method: theirs
    """,
    "dataset/their-scenes.yaml": """
        # @package _global_
        defaults: [scenes]
        dataset:
          name: their-scenes
          situations: []
    """,
    "table/their-table.yaml": """
        name: their-table
        version: 1
        title: Boxes as masks
        caption: What it says.
        paper_table: null
        dataset: their-scenes
        split: val
        metrics: [segm/AP]
        overrides: {backbone: r50}
        columns: [{name: 1x, label: "", overrides: {schedule: 1x}}]
        rows:
          - {name: theirs, label: Theirs, overrides: {method: theirs}}
          - {name: ours, label: Ours, overrides: {method: theirs, pseudo_labels: qam}}
    """,
}
LONG = ("method=theirs", "images.iterations_1x=24", "segmenter.detector.score_threshold=0.001")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package and, in `files`, its configuration; it is the working folder."""
    folder = tmp_path / "somebody's work, in progress"
    for name, text in FILES.items():
        file = folder / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        file.write_text("".join(f"{line[indent:]}\n" for line in lines if line.strip()))
    (folder / "theirs.py").write_text(PACKAGE)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    return folder


FLAGS = ("--config-dir", "files", "--package", "theirs")


def test_their_choices_are_there_for_one_command_only(place: Path) -> None:
    use(Extensions.named([Path("files")], []))
    try:
        assert "theirs" in choices("method")
        assert compose(["method=theirs"]).model["pseudo_labeller"]["quality"] == 0.75
        assert [table.name for table in definitions(["their-table"])] == ["their-table"]
    finally:
        use(Extensions())
    assert "theirs" not in choices("method")
    with pytest.raises(InputError, match="there is no method 'theirs'"):
        compose(["method=theirs"])


def test_their_code_runs_only_where_it_is_named(place: Path) -> None:
    run = place / "run"
    complaint = train(Path("run"), "method=theirs", "--config-dir", "files").complaint
    assert "names theirs.Sharpened, which is no part of this suite" in complaint
    assert complaint.endswith("(--package theirs).")
    assert "theirs" not in sys.modules
    assert not run.exists()
    assert "there is no method 'theirs'" in train(Path("run"), "method=theirs").complaint


def test_a_checkpoint_s_configuration_names_no_package(place: Path) -> None:
    run = trained(Path("run"), "method=theirs", *FLAGS)
    sys.modules.pop("theirs")
    complaint = boxseg("evaluate", run).complaint
    assert "names theirs." in complaint and "--package theirs" in complaint
    assert "theirs" not in sys.modules
    assert boxseg("evaluate", run, "--package", "theirs").code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--config-dir", "nowhere"), "there is no folder nowhere with configuration files"),
        (("--config-dir", "."), "has no YAML file in a folder that choices are in"),
        (("--package", "not.there"), "there is no package 'not.there' to import"),
        (("--package", ""), "there is no package '' to import"),
    ],
)
def test_what_is_not_there_is_named(place: Path, flags: tuple[str, ...], said: str) -> None:
    assert said in boxseg("train", "method=boxinst", "--show-config", *flags).complaint


def test_a_file_with_the_name_of_one_of_ours_is_refused(place: Path) -> None:
    file = place / "files" / "losses" / "box.yaml"
    file.write_text("{}")
    complaint = boxseg("train", "--show-config", "--config-dir", "files").complaint
    assert f"{file} has the name of " in complaint
    assert str(REPOSITORY / "experiments" / "conf" / "losses" / "box.yaml") in complaint


def test_their_definitions_are_validated(place: Path) -> None:
    outcome = boxseg("validate", "their-table", "--scale", "smoke", *FLAGS)
    assert (outcome.code, outcome.err) == (0, "")
    file = place / "files" / "losses" / "sharpened.yaml"
    file.write_text(file.read_text().replace("temperature", "temprature"))
    outcome = boxseg("validate", "their-table", "--scale", "smoke", *FLAGS)
    assert f"{file}: unknown key 'temprature'" in outcome.out


@pytest.mark.parametrize(
    "target",
    ["os.system", "boxseg.files.os.remove", "baselines.boxteacher.torch.load", "boxsegment.f"],
)
def test_nothing_outside_is_built(target: str) -> None:
    inside_a_list = {"_target_": "boxseg.color_augmentation.StrongColors"}
    inside_a_list["blur_sigma"] = [{"_target_": target}]  # type: ignore[assignment]
    for node in ({"_target_": target}, inside_a_list):
        with pytest.raises(InputError, match=f"names {target}, which "):
            build(node)


@pytest.mark.slow
def test_a_killed_run_of_theirs_goes_on(place: Path, data_dir: Path) -> None:
    whole = trained(Path("whole"), *LONG, *FLAGS)
    run = place / "run"
    words = ("train", "scale=smoke", "threads=1", *LONG, "run_dir=run", *FLAGS)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "experiments.cli", *words],
        env=os.environ | {"BOXSEG_DATA": str(data_dir), "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(run / "checkpoint.pt", process)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert_ended_like(trained(Path("run"), *LONG, *FLAGS), whole)
    assert all(line["loss_sharpened"] > 0 for line in losses(whole))
    state = torch.load(whole / "checkpoint.pt", weights_only=True)["model"]
    assert state["pseudo_labeller.images"] == 48
    learned = state["student.mask_losses.sharpened.temperature"]
    assert learned != 1
    assert state["teacher.mask_losses.sharpened.temperature"] not in (1, learned)


@pytest.mark.slow
def test_their_table_in_worker_processes(place: Path) -> None:
    words = ("--scale", "smoke", "--launcher", "local", "--jobs", "2")
    outcome = boxseg("reproduce", "their-table", *words, *FLAGS, "--out", "out")
    assert outcome.code == 0, outcome.err
    runs = place / "runs" / "smoke" / "their-table"
    for row in ("theirs", "ours"):
        assert result(runs / row / "1x" / "seed0")["dataset"] == "their-scenes"
    status = boxseg("status", "their-table", "--scale", "smoke", *FLAGS)
    assert status.out.count("done") >= 2
    assert "Boxes as masks" in boxseg("report", "their-table", "--scale", "smoke", *FLAGS).out


@pytest.mark.slow
def test_a_job_of_slurm_s_is_given_them(place: Path, data_dir: Path) -> None:
    extensions = Extensions.named([Path("files")], ["theirs"])
    use(extensions)
    try:
        (table,) = definitions(["their-table"])
        (run,) = expand(table, "smoke", 1, place / "runs", rows=["theirs"])
    finally:
        use(Extensions())
    (place / "task.pkl").write_bytes(pickle.dumps(RunTask(run, extensions)))
    code = f"import pickle; pickle.load(open({str(place / 'task.pkl')!r}, 'rb'))()"
    environment = os.environ | {"BOXSEG_DATA": str(data_dir), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=place.parent, env=environment, check=True
    )
    assert result(run.directory)["method"] == "theirs"
