"""SOLOv2 as the host of every kind of method, by words alone: trained, killed and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.command_line import losses, result, train, trained
from tests.experiments.run.test_box_only import corrupt_every_mask
from tests.experiments.run.test_resume import assert_ended_like, kill

SEGMENTERS = ("solov2", "box2mask-c")
COMPOSITIONS = (
    "method=boxinst",
    "method=condinst",
    "method=boxinst copy_paste=peer",
    "method=boxteacher",
    "method=boxteacher copy_paste=ordinary",
    "method=boxseg supervision=rounded-boxes",
    "method=boxseg pseudo_labels=sim",
    "method=boxinst losses=level-set",
)

# Thresholds that an untrained network passes, so that labeller and copy-paste have work to do.
EASY = ("images.iterations_1x=24", "segmenter.selection.score_threshold=0.001")
PASTING = (*EASY, "copy_paste.min_quality=0", "copy_paste.min_score=0")
LABELLING = (*PASTING, "pseudo_labels.fusion.score_threshold=0")
ON_THE_HOST = [
    pytest.param((*words, f"segmenter={segmenter}"), id=f"{words[0][7:]} on {segmenter}")
    for segmenter in SEGMENTERS
    for words in (("method=boxinst", *EASY), ("method=boxseg", *LABELLING))
]
# The methods whose host it is, with QAM and PC as far as they have a place for them.
DISCOBOX = ("method=discobox", "losses.discobox.gate.start_iterations=1")
SHARED_IMAGE = ("step=shared-image", "labels_teach=false", "pseudo_labels=qam", "copy_paste=peer")
OWN_METHODS = [
    pytest.param(("method=box2mask-c", *EASY), id="box2mask-c"),
    pytest.param(("method=box2mask-c", "copy_paste=peer", *PASTING), id="box2mask-c with pc"),
    pytest.param((*DISCOBOX, *SHARED_IMAGE, *LABELLING), id="discobox with qam and pc"),
]


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", SEGMENTERS)
@pytest.mark.parametrize("words", COMPOSITIONS)
def test_a_composition_trains(words: str, segmenter: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", *words.split(), f"segmenter={segmenter}")
    lines = losses(run)
    assert len(lines) == 4
    assert all(line["loss_cls"] > 0 for line in lines)
    assert any("mask" in name or name == "loss_prj" for name in lines[0])
    assert ("copy_paste_pastes" in lines[0]) == ("copy_paste" in words or "boxseg" in words)
    (said,) = result(run)["deviations"]
    assert f"segmenter={segmenter} has its own in place of detection=" in said


@pytest.mark.slow
@pytest.mark.parametrize("words", ON_THE_HOST + OWN_METHODS)
def test_a_killed_run_goes_on_as_if_never_stopped(
    words: tuple[str, ...], data_dir: Path, tmp_path: Path
) -> None:
    run_dir = kill(tmp_path / "run", data_dir, *words)
    whole = trained(tmp_path / "whole", *words)
    assert_ended_like(trained(run_dir, *words), whole)
    lines = losses(whole)
    assert all(line["loss_levelset"] > 0 for line in lines if "method=box2mask-c" in words)
    assert all(line["loss_self_training"] > 0 for line in lines[1:] if "method=discobox" in words)
    if "copy_paste=peer" in words or "method=boxseg" in words:
        assert any(line["pseudo_valid_share"] > 0 for line in lines)
        assert any(line["copy_paste_pastes"] > 0 for line in lines)
    if "method=boxseg" in words:
        assert any(line["pseudo_valid_share"] > 0 and line["loss_mask"] > 0 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("method=boxinst", "segmenter=solov2"),
        ("method=boxinst", "segmenter=box2mask-c"),
        ("method=box2mask-c",),
        DISCOBOX,
    ],
    ids=["boxinst on solov2", "boxinst on box2mask-c", "box2mask-c", "discobox"],
)
def test_corrupting_every_training_mask_changes_nothing(
    words: tuple[str, ...], coco_root: Path, tmp_path: Path
) -> None:
    data = ("dataset=coco-folder", f"root={coco_root}")
    clean = trained(tmp_path / "clean", *words, *data)
    corrupt_every_mask(coco_root / "annotations" / "instances_train.json")
    corrupt = trained(tmp_path / "corrupt", *words, *data)
    assert losses(corrupt) == losses(clean)
    assert result(corrupt)["metrics"] == result(clean)["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_masks_are_asked_for_where_they_train(
    segmenter: str, coco_root: Path, tmp_path: Path
) -> None:
    corrupt_every_mask(coco_root / "annotations" / "instances_train.json")
    data = ("dataset=coco-folder", f"root={coco_root}")
    outcome = train(tmp_path / "masks", "method=condinst", f"segmenter={segmenter}", *data)
    assert "has no `segmentation`" in outcome.complaint
