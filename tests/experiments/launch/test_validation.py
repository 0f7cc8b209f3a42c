"""Every row of every table binds at every scale, and no misspelt key goes unnoticed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.configuration import choices, compose
from experiments.launch import cost, validation
from experiments.launch.tables import definitions, table_names
from tests.experiments.command_line import boxseg


def forget() -> None:
    """What was read from the definitions before."""
    for cached in (
        compose._of_files_in,
        compose._composed,
        compose._datasets_of_scale,
    ):
        cached.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of all definitions, which are then read from there."""
    copy = tmp_path / "conf"
    shutil.copytree(choices.FOLDER, copy)
    monkeypatch.setattr(choices, "FOLDER", copy)
    monkeypatch.setattr(cost, "FILE", copy / "cost.yaml")
    forget()
    yield copy
    forget()


@pytest.mark.slow
def test_every_row_binds_at_every_scale() -> None:
    findings = validation.validate(["all"], ["smoke", "mini", "paper"])
    assert findings.faults == []
    cells = sum(
        len([row for row in table.rows if row.unavailable is None]) * len(table.columns)
        for table in definitions(["all"])
    )
    assert findings.cells == 3 * cells


@pytest.mark.slow
def test_every_method_binds_at_a_scale_that_is_for_no_table() -> None:
    findings = validation.validate(["all"], ["photos"])
    assert findings.faults == []
    assert (findings.cells, findings.compositions) == (0, len(choices.choices("method")))


@pytest.mark.parametrize("command", ["reproduce", "report"])
def test_no_table_is_run_at_a_scale_for_one_s_own_data(command: str) -> None:
    refused = boxseg(command, "table3", "--scale", "photos").complaint
    assert "no table is run at scale photos" in refused
    assert "choose one of mini, paper, smoke" in refused


def test_the_command_on_one_table() -> None:
    outcome = boxseg("validate", "table5", "--scale", "smoke")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("4 cells at 1 scales bind to their constructors")
    assert "there is no table 'table9'" in boxseg("validate", "table9").complaint
    assert "there is no scale 'huge'" in boxseg("validate", "--scale", "huge").complaint


SLOW = pytest.mark.slow  # found only in what is composed of the files

# Of each kind of file: a key, and what it becomes.
MISSPELT = [
    ("config.yaml", "accumulate:", "acumulate:"),
    pytest.param("config.yaml", "  3x:", "  3xx:", marks=SLOW),
    ("cost.yaml", "backbones:", "backbons:"),
    ("cost.yaml", "source:", "sorce:"),
    ("launcher/slurm.yaml", "partition:", "partion:"),
    ("scale/smoke.yaml", "batch_size:", "batch_szie:"),
    ("scale/smoke.yaml", "mask_stride:", "mask_strid:"),
    ("scale/smoke.yaml", "stem_channels:", "stem_chanels:"),
    ("scale/smoke.yaml", "voc: scenes-b", "vok: scenes-b"),
    ("scale/smoke.yaml", "photographs:", "photograps:"),
    ("dataset/scenes.yaml", "bottom_rows_removed:", "bottom_row_removed:"),
    ("dataset/scenes.yaml", "family:", "famly:"),
    ("segmenter/condinst.yaml", "level_scales:", "level_scale:"),
    ("segmenter/condinst.yaml", "out_channels:", "out_chanels:"),
    ("supervision/boxes.yaml", "object_centers:", "object_centres:"),
    ("losses/box.yaml", "color_threshold:", "colour_threshold:"),
    ("step/teacher-student.yaml", "colors:", "colours:"),
    ("method/boxseg.yaml", "defaults:", "default:"),
    ("pseudo_labels/qam.yaml", "k_max:", "kmax:"),
    (
        "pseudo_labels/qam.yaml",
        "_target_: boxseg.quality_aware.Q",
        "_targt_: boxseg.quality_aware.Q",
    ),
    ("copy_paste/peer.yaml", "min_area:", "min_aera:"),
    pytest.param("copy_paste/quality-random.yaml", "paste:", "pase:", marks=SLOW),
    ("copy_paste/quality-random.yaml", "defaults:", "default:"),
    ("table/table5.yaml", "caption:", "captoin:"),
    ("table/table5.yaml", "overrides: {copy_paste: none}", "override: {copy_paste: none}"),
    ("table/table5.yaml", "stated_difference:", "stated_diference:"),
]


@pytest.mark.parametrize(("file", "key", "misspelt"), MISSPELT)
def test_a_misspelt_key_is_named_with_its_file(
    folder: Path, file: str, key: str, misspelt: str
) -> None:
    text = (folder / file).read_text()
    assert key in text
    (folder / file).write_text(text.replace(key, misspelt, 1))
    outcome = boxseg("validate", "table5", "--scale", "smoke")
    assert outcome.complaint.startswith("the definitions do not hold: ")
    bare = misspelt.partition(":")[0].strip()
    named = [line for line in outcome.out.splitlines() if bare in line and file in line]
    assert named, outcome.out


WRONG = [
    ("scale/smoke.yaml", "tower_convs: 1", "tower_convs: one", "tower_convs"),
    ("scale/smoke.yaml", "depth: 18", "depth: deep", "depth is 'deep' where"),
    ("pseudo_labels/qam.yaml", "k_min: 2", "k_min: 2.5", "k_min is 2.5 where"),
    ("copy_paste/peer.yaml", "select: high-quality", "select: best", "select is 'best' where"),
    ("detection/varifocal.yaml", "IoUAware", "IoUAwareness", "which is not there"),
    ("table/table5.yaml", "copy_paste: peer", "copy_paste: per", "there is no copy_paste 'per'"),
    (
        "table/table5.yaml",
        "{schedule: 3x}\n    paper",
        "{schedule: 4x}\n    paper",
        "to '4x', which",
    ),
    ("table/table5.yaml", ", backbone: r50}", "}", "does not set backbone"),
    ("table/table5.yaml", "dataset: coco", "dataset: coko", "table5 needs dataset coko, which"),
    (
        "table/table5.yaml",
        "stated_difference: 0.4",
        "stated_difference: 0.6",
        "differ by 0.4, not by the stated 0.6",
    ),
    (
        "table/table5.yaml",
        'paper_row: {method: "select: none; paste: none"}',
        'paper_row: {method: "select: none; paste: one"}',
        "no row stands for the printed row 1",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "said"), WRONG)
def test_a_wrong_value_is_told_of(
    folder: Path, file: str, right: str, wrong: str, said: str
) -> None:
    text = (folder / file).read_text()
    assert right in text
    (folder / file).write_text(text.replace(right, wrong, 1))
    outcome = boxseg("validate", "table5", "--scale", "smoke")
    assert outcome.complaint
    assert said in outcome.out


TRAINED = ("scale=smoke", "method=boxseg", "copy_paste=quality-random")

# Of each kind of file that takes part in that run: what becomes of it, and what is said of it.
REFUSED = [
    (
        "config.yaml",
        "accumulate:",
        "acumulate:",
        "unknown key 'acumulate' at solver, did you mean 'a",
    ),
    ("config.yaml", "log_period:", "log_perod:", "unknown key 'log_perod' at log_perod, did you m"),
    ("config.yaml", "evaluation_batch_size: 8", "evaluation_batch_size: 0", "from 1 to 1048576"),
    ("config.yaml", "seed: 0", "seed: one", "seed is 'one'; give a whole number from 0 to"),
    ("config.yaml", "device: auto", "device: 1", "device is 1; give text"),
    ("launcher/slurm.yaml", "partition:", "partion:", "did you mean 'partition'?"),
    ("launcher/slurm.yaml", "nodes: 1", "nodes: 0", "launcher.nodes is 0; give a whole number"),
    ("scale/smoke.yaml", "batch_size: 2", "batch_szie: 2", "did you mean 'batch_size'?"),
    ("scale/smoke.yaml", "batch_size: 2", "batch_size: -2", "batch_size is -2; give a whole"),
    ("scale/smoke.yaml", "precision: float32", "precision: float8", "precision 'float8' is not"),
    ("scale/smoke.yaml", "channel_order: RGB", "channel_order: RBG", "one of RGB, BGR"),
    ("scale/smoke.yaml", "iterations_1x: 4", "iterations_1x: 0", "iterations_1x is 0; give a"),
    ("scale/smoke.yaml", "tower_convs: 1", "tower_convs: one", "tower_convs is 'one'; give a"),
    ("scale/smoke.yaml", "r50: &tiny", "r5: &tiny", "no such backbone; choose one of r5, r101"),
    ("scale/smoke.yaml", "stem_channels:", "stem_chanels:", "did you mean 'stem_channels'?"),
    ("scale/smoke.yaml", "depth: 18", "depth: deep", "depth is 'deep' where"),
    ("dataset/scenes.yaml", "diagnose:", "diagnos:", "did you mean 'diagnose'?"),
    ("dataset/scenes.yaml", "num_classes: 8", "num_classes: 0", "num_classes is 0; give a whole"),
    ("dataset/scenes.yaml", "family:", "famly:", "did you mean 'family'?"),
    ("segmenter/condinst.yaml", "level_scales:", "level_scale:", "did you mean 'level_scales'?"),
    (
        "losses/pseudo-masks-alone.yaml",
        "weight: 0.5",
        "wait: 0.5",
        "'wait' of boxseg.pseudo_mask_losse",
    ),
    ("method/boxseg.yaml", "defaults:", "default:", "did you mean"),
    ("detection/varifocal.yaml", "IoUAware", "IoUAwareness", "which is not there"),
    (
        "copy_paste/quality-random.yaml",
        "defaults:",
        "default:",
        "('default', 'select', 'paste') lack",
    ),
    ("pseudo_labels/qam.yaml", "k_max:", "kmax:", "did you mean 'k_max'?"),
    ("copy_paste/peer.yaml", "min_area:", "min_aera:", "did you mean 'min_area'?"),
    ("copy_paste/quality-random.yaml", "paste: random", "paste: anywhere", "paste is 'anywhere'"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "said"), REFUSED)
def test_training_refuses_what_validating_does(
    folder: Path, tmp_path: Path, file: str, right: str, wrong: str, said: str
) -> None:
    text = (folder / file).read_text()
    assert right in text
    (folder / file).write_text(text.replace(right, wrong, 1))
    complaint = boxseg("train", *TRAINED, f"run_dir={tmp_path}/run").complaint
    assert said in complaint
    assert f"{folder}/{file}" in complaint or "no such backbone" in complaint
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_file_that_is_no_yaml(folder: Path) -> None:
    (folder / "method" / "boxinst.yaml").write_text("method: [")
    complaint = boxseg("validate", "table5", "--scale", "smoke").complaint
    assert "method/boxinst.yaml cannot be read as YAML" in complaint


def test_tables_carry_no_python() -> None:
    folder = choices.FOLDER / "table"
    places = [file for file in folder.rglob("*") if file.suffix not in (".yaml", "")]
    assert places == []
    for name in table_names():
        text = (folder / f"{name}.yaml").read_text()
        assert "_target_" not in text
        assert "boxseg." not in text and "baselines." not in text
