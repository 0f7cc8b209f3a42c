"""AP while training: what it tells, what it keeps, and that the training does not notice."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxseg.data.dataset import Dataset
from boxseg.data.image_reader import ImageReader
from boxseg.engine.evaluation import score_detections
from boxseg.engine.step_log import StepLog
from experiments.configuration.build import build
from experiments.configuration.choices import choices
from experiments.configuration.compose import compose
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.interval_evaluation import IntervalEvaluation, drawn
from tests.conftest import REPOSITORY
from tests.experiments.command_line import boxseg, losses, result, train, trained
from tests.experiments.conftest import LONG
from tests.experiments.slurm_cluster import wait_until
from tests.method_steps import NEEDS_MMDET

# CondInst draws the positives that get a mask, from torch's generator.
DRAWS = (
    "method=condinst",
    "images.iterations_1x=36",
    "solver.optimizer.learning_rate=0.003",
    "model.positive_sampler.maximum=20",
)
LOOKS = ("evaluation_period=8", "evaluation_images=8")
# Thresholds that an untrained detector passes, so that QAM and PC have work to do.
SURE = (
    "segmenter.detector.score_threshold=0.001",
    "pseudo_labels.fusion.score_threshold=0",
    "copy_paste.min_quality=0",
    "copy_paste.min_score=0",
)
OF_MMDET = (
    "box2mask-t",
    "boxinst-t",
    "boxseg-t",
    "boxseg-t-colors",
    "mask2former",
    "mmdet-boxinst",
)


def marks(method: str) -> tuple[pytest.MarkDecorator, ...]:
    return (NEEDS_MMDET,) if method in OF_MMDET else ()


def evaluations(run_dir: Path) -> list[dict[str, Any]]:
    """A run's `evaluations.jsonl` without the time, which no two runs share."""
    lines = StepLog(run_dir / "evaluations.jsonl").lines()
    assert all(line.pop("seconds") >= 0 for line in lines)
    return lines


def assert_same_training(run_dir: Path, other: Path) -> None:
    """To the last bit, in all that a run goes on from and is judged by."""
    first, second = (
        torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run_dir, other)
    )
    assert result(run_dir)["metrics"] == result(other)["metrics"]
    assert result(run_dir)["config_sha256"] == result(other)["config_sha256"]
    assert losses(run_dir) == losses(other)
    assert first["iteration"] == second["iteration"]
    for part in ("model", "random", "optimizer", "scheduler"):
        assert_equal(first[part], second[part])


def assert_equal(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    if torch.is_tensor(first):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_equal(first[name], second[name])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert first == second


@pytest.fixture(scope="module")
def blind(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is evaluated at its end only."""
    return trained(tmp_path_factory.mktemp("runs") / "blind", *DRAWS)


@pytest.fixture(scope="module")
def watched(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, evaluated five times."""
    return trained(tmp_path_factory.mktemp("runs") / "watched", *DRAWS, *LOOKS)


def test_the_training_does_not_notice(blind: Path, watched: Path) -> None:
    assert_same_training(watched, blind)
    assert not (blind / "evaluations.jsonl").exists()
    assert not (blind / "checkpoint-best.pt").exists()
    found = evaluations(watched)
    assert [line["iteration"] for line in found] == [8, 16, 24, 32, 36]
    assert {line["images"] for line in found} == {8}
    assert len({line["bbox/AP"] for line in found}) == 5  # it learns something


def shown(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a run, but for the time."""
    read = EventAccumulator(str(run_dir))
    read.Reload()
    tags = read.Tags()["scalars"]
    assert {"losses/total_loss", "evaluation/segm/AP", "result/bbox/AP"} <= set(tags)
    return {
        tag: [(one.step, one.value) for one in read.Scalars(tag)]
        for tag in tags
        if tag != "training/seconds_per_iteration"
    }


def kill_after_two_evaluations(run_dir: Path, data_dir: Path, *words: str) -> None:
    command = ("train", "scale=smoke", "threads=1", *words, f"run_dir={run_dir}")
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", *command],
        cwd=REPOSITORY,
        env=os.environ | {"BOXSEG_DATA": str(data_dir)},
        stderr=subprocess.DEVNULL,
    )
    log = StepLog(run_dir / "evaluations.jsonl")
    try:
        wait_until(lambda: len(log.lines()) >= 2 or process.poll() is not None, "two evaluations")
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (run_dir / "result.json").exists()


def test_a_killed_run_goes_on_with_its_evaluations(
    watched: Path, data_dir: Path, tmp_path: Path
) -> None:
    words = (*DRAWS, *LOOKS, "checkpoint_period=10")
    kill_after_two_evaluations(tmp_path / "run", data_dir, *words)
    assert 16 in [line["iteration"] for line in evaluations(tmp_path / "run")]
    outcome = train(tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    assert re.search(r"resuming .* at step [123]0 of 36", outcome.err)
    assert_same_training(tmp_path / "run", watched)
    assert evaluations(tmp_path / "run") == evaluations(watched)
    assert shown(tmp_path / "run") == shown(watched)  # no step twice


@pytest.mark.slow
def test_a_teacher_is_looked_at_and_not_disturbed(tmp_path: Path) -> None:
    words = ("method=boxseg", "images.iterations_1x=24", *SURE)
    blind = trained(tmp_path / "blind", *words)
    watched = trained(tmp_path / "watched", *words, "evaluation_period=7")
    assert_same_training(watched, blind)
    assert [line["iteration"] for line in evaluations(watched)] == [7, 14, 21, 24]
    logged = [line["pseudo_iou"] for line in losses(watched)]
    told = [line["pseudo_iou"] for line in evaluations(watched)]
    steps = [logged[0:7], logged[7:14], logged[14:21], logged[21:24]]
    assert told == pytest.approx([sum(one) / len(one) for one in steps])


def test_all_images_give_the_result(finished: Path, tmp_path: Path) -> None:
    """Of a run that knows nothing of evaluations, too: its hash has no part in them."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    assert "is finished" in train(run, *LONG, "evaluation_period=6").err
    (run / "result.json").unlink()
    (run / "checkpoint.pt").unlink()
    (run / "checkpoint-best.pt").write_text("left by somebody")
    assert train(run, *LONG, "evaluation_period=30").code == 0
    (last,) = evaluations(run)  # of the last step, whatever the period is
    assert (last["iteration"], last["images"]) == (24, 16)
    metrics = result(finished)["metrics"]
    assert metrics["bbox/AP"] > 0
    for name in ("segm/AP", "segm/AP50", "bbox/AP", "bbox/AP75"):
        assert last[name] == metrics[name]
    assert result(run)["metrics"] == metrics


def test_the_best_is_kept_and_told(watched: Path) -> None:
    found = evaluations(watched)
    best = max(found, key=lambda line: line["segm/AP"])
    file = watched / "checkpoint-best.pt"
    content = torch.load(file, weights_only=True)
    assert content["iteration"] == best["iteration"]
    assert content["scores"]["segm/AP"] == best["segm/AP"]
    told = [line for line in (watched / "log.txt").read_text().splitlines() if "mask AP" in line]
    assert [f"best so far, kept in {file}" in line for line in told[:5]] == [
        all(line["segm/AP"] > earlier["segm/AP"] for earlier in found[:place])
        for place, line in enumerate(found)
    ]
    assert told[-1].endswith(
        f"on 8 images, is kept in {file}; the result is that of the last, {watched}/checkpoint.pt"
    )


def test_the_best_is_evaluated_as_any_checkpoint(
    watched: Path, scenes: Dataset, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(watched, tmp_path / "run"))
    before = (run / "predictions.json").read_bytes()
    outcome = boxseg("evaluate", run / "checkpoint-best.pt")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == f"{run}/predictions-best.json"
    assert (run / "predictions.json").read_bytes() == before
    # On all 16 images; on the 8 of the interval it has the score that it was kept for.
    config = compose(["scale=smoke", *DRAWS, *LOOKS])
    predicted = json.loads((run / "predictions-best.json").read_text())
    look = interval_evaluation(config, scenes, tmp_path)
    own = [one for one in predicted if one["image_id"] in {r["image_id"] for r in look.records}]
    metrics = score_detections(look.truth, own, config.images.pixel_factor).metrics
    kept = torch.load(run / "checkpoint-best.pt", weights_only=True)["scores"]
    assert metrics["segm/AP"] == pytest.approx(kept["segm/AP"])


def test_the_best_is_not_gone_on_from(watched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(watched, tmp_path / "run"))
    (run / "result.json").unlink()
    shutil.copy(run / "checkpoint-best.pt", run / "checkpoint.pt")
    assert train(run, *DRAWS).complaint == (
        f"checkpoint {run}/checkpoint.pt was kept to be evaluated, without what a training goes on "
        "with; restore the run's own, or delete it to start this run again."
    )


def interval_evaluation(
    config: RunConfiguration, dataset: Dataset, folder: Path
) -> IntervalEvaluation:
    logs = StepLog(folder / "metrics.jsonl"), StepLog(folder / "evaluations.jsonl")
    return IntervalEvaluation(config, dataset, ImageReader("RGB"), torch.float32, *logs)


@pytest.mark.parametrize("method", [pytest.param(m, marks=marks(m)) for m in choices("method")])
def test_no_method_is_changed_by_a_look(method: str, scenes: Dataset, tmp_path: Path) -> None:
    config = compose(["scale=smoke", f"method={method}", "evaluation_images=3"])
    torch.manual_seed(0)
    model = build(config.with_number_of_classes(8).model, config.packages).train()
    modes = [module.training for module in model.modules()]
    state = copy.deepcopy(model.state_dict())
    generator = torch.get_rng_state()
    look = interval_evaluation(config, scenes, tmp_path)
    assert look(model, 1) == look(model, 2)
    assert_equal(model.state_dict(), state)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert [line["iteration"] for line in evaluations(tmp_path)] == [1, 2]


def test_the_same_images_whatever_the_number() -> None:
    records = [{"image_id": number} for number in range(100)]
    some, more = drawn(records, 10), drawn(records, 30)
    assert drawn(records, 10) == some
    assert [one["image_id"] for one in some] == sorted(one["image_id"] for one in some)
    assert all(one in more for one in some)
    assert some != records[:10]
    assert drawn(records, 500) == records
