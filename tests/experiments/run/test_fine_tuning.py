"""`from=`: a run that starts from the weights of a checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from boxseg.errors import InputError
from boxseg.fine_tuning import FineTunable, transfer
from boxseg.weights.names import ADELAIDET
from experiments.configuration.build import build
from experiments.configuration.compose import compose, quoted
from experiments.run.fine_tuning import start_from_checkpoint
from experiments.run.saved_model import saved_model
from tests.experiments.command_line import Outcome, boxseg, losses, result, train, trained
from tests.experiments.run.test_resume import kill
from tests.method_steps import METHODS, NEEDS_MMDET
from tests.weights.published import TINY, published_checkpoint, tiny_segmenter

QUERIES = pytest.param("box2mask-t", marks=NEEDS_MMDET)


@pytest.fixture
def base(teacher: Path) -> Path:
    """A short run of BoxSeg on scenes."""
    return teacher


@pytest.fixture
def root(coco_root: Path) -> Path:
    """Scenes whose classes come in the reverse order, the first of them with a new name."""
    for file in (coco_root / "annotations").iterdir():
        content = json.loads(file.read_text())
        content["categories"][0]["name"] = "novelty"
        gone = content["categories"].pop()["id"]
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] != gone]
        for one in content["categories"]:  # classes are in the order of the ids
            one["id"] = 100 - one["id"]
        for one in content["annotations"]:
            one["category_id"] = 100 - one["category_id"]
        file.write_text(json.dumps(content))
    return coco_root


def names_of(root: Path) -> list[str]:
    content = json.loads((root / "annotations" / "instances_train.json").read_text())
    return [one["name"] for one in sorted(content["categories"], key=lambda one: one["id"])]


def fine_tune(run_dir: Path, base: Path, root: Path, *words: str) -> Outcome:
    data = ("dataset=coco-folder", f"root={quoted(root)}")
    return train(run_dir, "method=boxseg", *data, f"from={quoted(base)}", *words)


def test_a_run_starts_from_a_checkpoint_and_tells_what_it_took(
    base: Path, root: Path, tmp_path: Path
) -> None:
    outcome = fine_tune(tmp_path / "run", base, root)
    assert outcome.code == 0, outcome.err
    classes = names_of(root)
    known = [one.name for one in saved_model(base).trained_on.categories]  # type: ignore[union-attr]
    started = result(tmp_path / "run")["started_from"]
    assert started["classes_new"] == ["novelty"]
    assert started["classes_matched"] == [one for one in classes if one != "novelty"]
    assert started["classes_left_out"] == [known[0], known[-1]]
    assert started["layers_by_class"] == ["detector.head.cls_logits"]
    assert started["layers_remade"] == started["layers_left_out"] == []
    assert any("(from=)" in one for one in result(tmp_path / "run")["deviations"])
    assert len(started["sha256"]) == 64 and started["checkpoint"] == "checkpoint.pt"
    assert f"starting from {base / 'checkpoint.pt'} (method=boxseg): " in outcome.err
    assert "new: novelty; left out: " in outcome.err
    # What was fine-tuned is a run as any other.
    found = boxseg(
        "predict", root / "val", "--checkpoint", tmp_path / "run", "--out", tmp_path / "found",
        "--score-threshold", 0, "--device", "cpu",
    )  # fmt: skip
    assert found.code == 0, found.err
    index = json.loads((tmp_path / "found" / "images.json").read_text())
    assert [one["name"] for one in index["categories"]] == classes


def test_student_and_teacher_start_from_the_network_that_was_evaluated(
    base: Path, root: Path
) -> None:
    config = compose(
        ["method=boxseg", "scale=smoke", "dataset=coco-folder", f"root={quoted(root)}",
         f"from={quoted(base)}"]
    ).with_number_of_classes(len(names_of(root)))  # fmt: skip
    torch.manual_seed(5)
    model: nn.Module = build(config.model, config.packages)
    fresh = model.state_dict()["student.detector.head.cls_logits.weight"].clone()
    start_from_checkpoint(model, config, names_of(root))
    state, saved = model.state_dict(), saved_model(base)
    for network in ("student", "teacher"):
        for name in ("backbone.fpn_lateral2.weight", "controller.conv.weight"):
            if f"teacher.{name}" in saved.state:
                assert state[f"{network}.{name}"].equal(saved.state[f"teacher.{name}"]), name
        rows = state[f"{network}.detector.head.cls_logits.weight"]
        old = saved.state["teacher.detector.head.cls_logits.weight"]
        count = len(old)
        # Reversed, without the last; the first was renamed.
        assert rows[:-1].equal(old.flip(0)[1 : count - 1])
        assert rows[-1].equal(fresh[-1])
    student = saved.state["student.backbone.fpn_lateral2.weight"]
    assert not student.equal(saved.state["teacher.backbone.fpn_lateral2.weight"])


@pytest.mark.parametrize("method", [*METHODS, QUERIES])
def test_every_layer_that_depends_on_the_classes_is_declared(method: str) -> None:
    """One that is not would have another shape, and be made anew."""
    few, more = (_network(f"method={method}", f"dataset.num_classes={count}") for count in (5, 7))
    taken = transfer(more, few.state_dict(), [(0, 4)], 7, 5)
    assert taken.remade == taken.left_out == ()
    changed = {
        name.rpartition(".")[0]
        for name, tensor in more.state_dict().items()
        if torch.is_tensor(tensor) and tensor.shape != few.state_dict()[name].shape
    }
    assert changed and changed == set(taken.by_class)


def _network(*words: str) -> FineTunable:
    config = compose(["scale=smoke", "dataset=scenes", *words])
    model: nn.Module = build(config.model, config.packages)
    assert isinstance(model, FineTunable)
    first = model.networks[0]
    assert all(one.state_dict().keys() == first.state_dict().keys() for one in model.networks)
    return first


def test_a_checkpoint_counts_by_what_it_is(base: Path, tmp_path: Path) -> None:
    words = ["method=boxseg", "scale=smoke", "dataset=scenes"]
    plain = compose(words).sha256
    copied = Path(shutil.copytree(base, tmp_path / "copy"))
    same = [base, base / "checkpoint.pt", copied]
    hashes = {compose([*words, f"from={quoted(place)}"]).sha256 for place in same}
    assert len(hashes) == 1 and plain not in hashes
    content = torch.load(copied / "checkpoint.pt", weights_only=True)
    content["seconds"] += 1.0
    torch.save(content, copied / "checkpoint.pt")
    assert compose([*words, f"from={quoted(copied)}"]).sha256 not in {plain, *hashes}


@pytest.mark.slow
def test_a_run_that_is_resumed_needs_the_checkpoint_no_more(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(base, tmp_path / "source"))
    words = ("method=boxseg", "images.iterations_1x=24", f"from={quoted(source)}")
    whole = trained(tmp_path / "whole", *words)
    killed = kill(tmp_path / "killed", data_dir, *words)
    shutil.rmtree(source)
    outcome = train(killed, *words)
    assert outcome.code == 0, outcome.err
    assert "starting from" not in outcome.err
    assert losses(killed) == losses(whole)
    assert result(killed)["metrics"] == result(whole)["metrics"]
    assert result(killed)["started_from"] == result(whole)["started_from"]
    # Finished runs need it as little, and one that begins does.
    assert train(killed, *words).code == 0
    assert "there is no checkpoint" in train(tmp_path / "new", *words).complaint


def test_a_pickle_that_runs_code_is_not_loaded(tmp_path: Path, base: Path) -> None:
    copied = Path(shutil.copytree(base, tmp_path / "copy"))
    content = torch.load(copied / "checkpoint.pt", weights_only=True)
    torch.save({**content, "trained_on": Trap(tmp_path / "ran")}, copied / "checkpoint.pt")
    words = ("method=boxseg", f"from={quoted(copied)}")
    assert "cannot be read" in train(tmp_path / "run", *words).complaint
    assert not (tmp_path / "ran").exists()


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.place,)


def test_refusals(base: Path, tmp_path: Path) -> None:
    start = f"from={quoted(base)}"
    said = train(tmp_path / "a", "method=box2mask-c", start).complaint
    assert "has segmenter=condinst (boxseg.condinst.CondInst), and the run segmenter=" in said
    assert "train with segmenter=condinst, or start from another checkpoint" in said
    said = train(
        tmp_path / "b", "method=boxseg", "segmenter.backbone.bottom_up.stem_channels=16", start
    ).complaint
    assert "has another backbone (backbone=r50 scale=smoke for scenes) than the run" in said
    both = train(tmp_path / "c", "method=boxseg", start, "initial_weights=w.pt").complaint
    assert "leave one of them out" in both
    (tmp_path / "no.pt").write_bytes(b"nothing")
    assert "cannot be read" in train(tmp_path / "d", f"from={quoted(tmp_path / 'no.pt')}").complaint
    assert "gives from a number where it is a text" in train(tmp_path / "e", "from=3").complaint


def test_another_method_s_checkpoint_gives_what_fits(condinst: Path, tmp_path: Path) -> None:
    """CondInst has half of the mask features, so that its controller is made anew."""
    outcome = train(tmp_path / "run", "method=boxinst", f"from={quoted(condinst)}")
    assert outcome.code == 0, outcome.err
    started = result(tmp_path / "run")["started_from"]
    assert "controller" in str(started["layers_remade"])
    assert not any(name.startswith("backbone") for name in started["layers_remade"])
    assert started["classes_new"] == started["classes_left_out"] == []
    assert "layers made anew: " in outcome.err


@pytest.mark.parametrize("stride_in_1x1", [True, False])
def test_a_published_checkpoint_is_one_to_start_from(tmp_path: Path, stride_in_1x1: bool) -> None:
    deep = (
        "segmenter.backbone.bottom_up.depth=50",
        "segmenter.backbone.bottom_up.first_stage_channels=32",
    )
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter(*deep))
    torch.save({"model": tensors}, tmp_path / "a.pth")
    out = tmp_path / "a.pt"
    assert boxseg("weights", "import", tmp_path / "a.pth", "--to", out).code == 0
    own = [word for word in TINY if word.split("=")[0] not in {one.split("=")[0] for one in deep}]
    strides = f"segmenter.backbone.bottom_up.stride_in_1x1={str(stride_in_1x1).lower()}"
    config = compose(["method=boxseg", *own, *deep, strides, f"from={quoted(out)}"])
    model: nn.Module = build(config.model, config.packages)
    if not stride_in_1x1:
        with pytest.raises(InputError, match=r"has another backbone .*\.conv"):
            start_from_checkpoint(model, config, ["a", "b", "c"])
        return
    started = start_from_checkpoint(model, config, ["a", "b", "c"])
    assert started["imported"] and started["method"] == "boxinst"
    # Nothing tells what its three classes are.
    assert started["classes_new"] == ["a", "b", "c"]
    saved = saved_model(out).state
    for name in ("controller.weight", "backbone.bottom_up.stem.conv1.weight"):
        assert model.state_dict()[f"student.{name}"].equal(saved[name])


def test_a_model_that_says_nothing_of_its_classes_cannot_start_from_a_checkpoint(
    base: Path,
) -> None:
    config = compose(["method=boxseg", "scale=smoke", f"from={quoted(base)}"])
    with pytest.raises(InputError, match="cannot be fine-tuned; derive it"):
        start_from_checkpoint(nn.Linear(1, 1), config, ["a"])
