"""Methods composed of parts in YAML alone: which go together, and a new row of table 6."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from boxseg.teacher_student import TeacherStudent
from experiments.configuration.build import build
from experiments.configuration.choices import FOLDER, choices
from experiments.configuration.compose import compose
from experiments.launch.runs import expand
from experiments.run.execute import execute
from reports.definition import load_definition
from tests.experiments.command_line import boxseg, losses, result, train, trained
from tests.experiments.run.test_resume import assert_ended_like, kill

COMPOSITIONS = (
    "method=sim",
    "method=sim copy_paste=none",
    "method=sim copy_paste=peer",
    "method=sim pseudo_labels=qam copy_paste=peer",
    "method=boxinst copy_paste=peer",
    "method=boxinst pseudo_labels=qam copy_paste=peer",
    "method=boxteacher copy_paste=peer",
    "method=boxteacher copy_paste=ordinary",
    "method=boxteacher pseudo_labels=sim copy_paste=sim",
    "method=boxseg copy_paste=sim",
)

# What an untrained detector finds is not confident; with so many steps SIM's bank fills.
SIM = (
    "method=sim",
    "images.iterations_1x=24",
    "segmenter.detector.score_threshold=0.001",
    "copy_paste.capacity=3",
    "copy_paste.probability=0.7",
)


def model_of(*words: str) -> TeacherStudent:
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("words", COMPOSITIONS)
def test_a_composition_trains_and_its_pseudo_masks_are_measured(words: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", *words.split())
    assert result(run)["method"] == words.split()[0].removeprefix("method=")
    lines = losses(run)
    assert all("pseudo_valid_share" in line for line in lines)
    if any(line["pseudo_valid_share"] for line in lines):
        assert any("pseudo_iou" in line for line in lines)
    assert ("copy_paste_pastes" in lines[0]) == ("copy_paste=none" not in words)


@pytest.mark.parametrize("labels", ["sim", "qam"])
def test_pseudo_masks_of_sim_have_an_iou(labels: str, tmp_path: Path) -> None:
    words = ("method=sim", f"pseudo_labels={labels}", "images.iterations_1x=8")
    more = ("segmenter.detector.score_threshold=0.001",)
    if labels == "qam":
        more += ("pseudo_labels.fusion.score_threshold=0",)
    lines = losses(trained(tmp_path / "run", *words, *more))
    assert lines[-1]["pseudo_valid_share"] > 0
    assert 0 <= lines[-1]["pseudo_iou"] <= 1


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
def test_sim_s_iterations_are_those_of_the_paper_at_the_run_s_scale(scale: str) -> None:
    config = compose(["method=sim", f"scale={scale}"])
    share = config.images.iterations_1x / 90_000
    terms = config.model["student"]["mask_losses"]
    assert terms["pseudo_focal"]["ramp_iterations"] == int(270_000 * share)
    start = max(1, int(10_000 * share))
    assert terms["pseudo_focal"]["start_iterations"] == terms["pasted"]["start_iterations"] == start
    assert config.model["copy_paste"]["start_iterations"] == start
    assert 1 / (1 - config.model["max_momentum"]) == pytest.approx(max(1, 10_000 * share))
    word = "losses.pseudo_focal.ramp_iterations=270000"
    absolute = compose(["method=sim", f"scale={scale}", word])
    losses_of_it = absolute.model["student"]["mask_losses"]
    assert losses_of_it["pseudo_focal"]["ramp_iterations"] == 270_000


def test_boxinst_with_a_copy_paste_is_its_own_teacher() -> None:
    model = model_of("method=boxinst", "copy_paste=peer")
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(torch.rand_like(parameter))
    model.before_step(7)
    for name, tensor in model.student.state_dict().items():
        assert torch.equal(model.teacher.state_dict()[name], tensor), name
    assert list(model.student.mask_losses) == ["box"]  # no loss on its own masks
    model.eval()
    calls = []
    model.student.detect = lambda batch: calls.append(batch) or []  # type: ignore[method-assign]
    model([])
    assert calls == [[]]


def test_qam_s_scores_weigh_in_sim_and_sim_s_own_do_not() -> None:
    assert getattr(model_of("method=sim").pseudo_labeller, "equal_weights", False)
    qam = model_of("method=sim", "pseudo_labels=qam")
    assert not getattr(qam.pseudo_labeller, "equal_weights", False)


def test_no_copy_paste_leaves_boxinst_as_it_is() -> None:
    assert (
        compose(["method=boxinst", "copy_paste=none"]).content()
        == compose(["method=boxinst"]).content()
    )


@pytest.mark.parametrize(
    ("words", "rescored"),
    [
        ("method=boxteacher", True),
        ("method=boxseg", True),
        ("method=boxteacher-released", True),
        ("method=boxseg-released", True),
        ("method=boxinst losses=pseudo-masks step=teacher-student pseudo_labels=qam", True),
        ("method=boxseg copy_paste=none pseudo_labels=bqr", True),
        # SIM tests its student, by the detector's scores; who has no teacher has no choice either.
        ("method=sim", False),
        ("method=sim pseudo_labels=qam copy_paste=peer", False),
        ("method=sim-released", False),
        ("method=boxinst", False),
        ("method=boxinst copy_paste=peer", False),
        ("method=condinst", False),
        # The command line has the last word.
        ("method=boxteacher rescoring=none", False),
        ("method=boxseg-released rescoring=none", False),
        ("method=sim rescoring=mask-aware", True),
        ("method=boxinst rescoring=mask-aware", True),
    ],
)
def test_masks_score_the_detections_of_a_method_with_a_teacher(words: str, rescored: bool) -> None:
    config = compose(["scale=smoke", *words.split()])
    assert (config.segmenter["rescore"] is not None) == rescored
    assert config.parts.get("rescoring") == ("mask-aware" if rescored else None)


def test_a_host_without_rescoring_says_so() -> None:
    (said,) = compose(["method=boxteacher", "segmenter=mmdet-boxinst"]).deviations
    assert "rescoring=mask-aware" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("method=condinst copy_paste=peer", "trained with true masks and has no use for pseudo"),
        ("method=condinst pseudo_labels=qam", "trained with true masks and has no use for pseudo"),
        ("method=mask-rcnn copy_paste=peer", "trained with true masks and has no use for pseudo"),
        ("method=boxinst pseudo_labels=qam", "would make pseudo masks that nothing uses"),
        ("method=boxinst pseudo_labels=sim copy_paste=none", "pseudo masks that nothing uses"),
        ("method=sim-released copy_paste=peer", "has no place in step=sim-released of method=sim"),
        ("method=boxinst step=plain copy_paste=peer", "has no place in step=plain of method=boxin"),
        ("method=mask-rcnn losses=box", "has no place in segmenter=mask-rcnn"),
        ("detection=varifocal segmenter=mmdet-boxinst", "has no place in segmenter=mmdet-boxinst"),
        ("rescoring=mask-aware segmenter=mmdet-boxinst", "has no place in segmenter=mmdet-boxi"),
        ("method=boxinst supervision=own", "cannot do without supervision"),
        ("method=boxseg pseudo_labels=none", "cannot do without pseudo_labels"),
        ("method=boxinst losses=pseudo-masks", "step=plain of method=boxinst has no teacher"),
        ("method=boxinst losses=sim", "step=plain of method=boxinst has no teacher"),
        ("method=boxinst losses=masks", "supervision=box-pixels of method=boxinst gives none"),
        ("method=boxseg losses=masks", "step=teacher-student of method=boxseg gives none"),
        ("method=boxseg losses=box", "nothing learns from those of pseudo_labels=qam"),
        ("method=boxteacher losses=box", "nothing learns from those of pseudo_labels=bpma"),
        ("method=boxseg segmenter=mask-rcnn", "needs a segmenter that proposes objects"),
        (
            "method=boxteacher copy_paste=ordinary solver.batch_size=1",
            "takes objects from the other images of the batch",
        ),
        ("method=boxseg segmenter=mmdet-boxinst pseudo_labels=sim", "SemanticLabeller needs the t"),
        ("method=box2mask-t losses=level-set", "takes mask_features from the supervision"),
        (
            "method=box2mask-t segmenter=mask-rcnn",
            "losses=box2mask-t takes pad_value from the segmenter, and segmenter=mask-rcnn of "
            "method=box2mask-t has none",
        ),
        ("method=boxteacher-released pseudo_labels=sim", "makes labels at another size"),
        ("method=discobox pseudo_labels=qam", "has no place in step=discobox of method=discobox"),
        ("method=boxinst losses=discobox-correspondence", "needs one prediction for every object"),
    ],
)
def test_a_senseless_combination_is_refused_with_the_reason(
    words: str, why: str, tmp_path: Path
) -> None:
    complaint = train(tmp_path / "run", *words.split()).complaint
    assert why in complaint
    assert complaint.count(". ") == 0  # one sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("labels", [name for name in choices("pseudo_labels") if name != "none"])
@pytest.mark.parametrize("paste", choices("copy_paste"))
def test_every_labeller_goes_with_every_copy_paste_in_sim(labels: str, paste: str) -> None:
    config = compose(["method=sim", f"pseudo_labels={labels}", f"copy_paste={paste}"])
    node = config.model
    assert node["pseudo_labeller"] == config.pseudo_labels
    assert (node["copy_paste"] is None) == (paste == "none")


def test_a_sixth_composition_is_a_change_of_yaml_only(tmp_path: Path) -> None:
    content = yaml.safe_load((FOLDER / "table" / "table6.yaml").read_text())
    content["rows"].append(
        {
            "name": "boxteacher-pc",
            "label": "BoxTeacher + PC",
            "overrides": {"method": "boxteacher", "copy_paste": "peer"},
        }
    )
    file = tmp_path / "table6.yaml"
    file.write_text(yaml.safe_dump(content))
    definition = load_definition(file)
    (run,) = expand(
        definition, "smoke", 1, tmp_path / "runs", rows=["boxteacher-pc"], columns=["1x"]
    )
    content = execute(run.configuration, run.cell)
    assert (content["row"], content["method"]) == ("boxteacher-pc", "boxteacher")
    assert (run.directory / "result.json").exists()
    assert "copy_paste_pastes" in losses(run.directory)[0]


@pytest.mark.slow
def test_table6_at_smoke_scale(tmp_path: Path) -> None:
    out = tmp_path / "tables"
    words = ("--scale", "smoke", "--seeds", 1, "--runs", tmp_path / "runs", "--out", out)
    outcome = boxseg("reproduce", "table6", *words)
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 12
    assert "SIM + PC + QAM" in outcome.out


@pytest.mark.slow
def test_a_killed_run_of_sim_goes_on_with_prototypes_and_bank(
    data_dir: Path, tmp_path: Path
) -> None:
    run_dir = kill(tmp_path / "run", data_dir, *SIM)
    state = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    assert state["model"]["pseudo_labeller.prototypes.prototypes"].shape == (8, 10, 16)
    assert "bank" in state["model"]["_extra_state"]
    whole = trained(tmp_path / "whole", *SIM)
    assert_ended_like(trained(run_dir, *SIM), whole)
    lines = losses(whole)
    assert lines[-1]["pseudo_valid_share"] > 0
    assert all("loss_pseudo" in line for line in lines[3:])
    # The bank is full after two steps beyond the start; 0.7 x 2 images a step from then on.
    assert sum(line["copy_paste_pastes"] for line in lines) > 5


@pytest.mark.slow
def test_a_killed_run_of_the_released_sim_goes_on(data_dir: Path, tmp_path: Path) -> None:
    words = ("method=sim-released", "images.iterations_1x=24", "model.copy_paste.capacity=2")
    run_dir = kill(tmp_path / "run", data_dir, *words)
    whole = trained(tmp_path / "whole", *words)
    assert_ended_like(trained(run_dir, *words), whole)
    assert "loss_paste" in losses(whole)[-1]
