"""`boxseg train`: what a run leaves, and that a seed decides it."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import torch
import yaml

from boxseg.data.scenes.style import SITUATIONS
from experiments.configuration.compose import compose
from reports.result_file import load_result
from tests.experiments.command_line import boxseg, losses, result, train, trained
from tests.experiments.conftest import LONG


def test_what_a_run_leaves(finished: Path) -> None:
    (events,) = finished.glob("events.out.tfevents.*")
    assert {file.name for file in finished.iterdir()} - {".lock", "config.sha256", events.name} == {
        "config.yaml",
        "log.txt",
        "metrics.jsonl",
        "checkpoint.pt",
        "predictions.json",
        *(f"predictions-scenes-{name}.json" for name in SITUATIONS),
        "result.json",
    }
    content = result(finished)
    assert load_result(finished / "result.json").method == "boxinst"
    assert content["iterations"] == 24
    assert content["split"] == "val"
    assert set(content["metrics"]) >= {f"segm/AP{s}" for s in ("", "50", "75", "s", "m", "l")}
    assert 0 <= content["metrics"]["bbox/AP"] <= 100
    assert set(content["metrics"]) >= {f"segm/AP@{name}" for name in SITUATIONS}
    assert content["calibration"] == []  # there is no teacher whose quality could be judged
    # Smoke images are a fifth of COCO's in length: small ends at (32 / 5)^2, large begins at
    # (96 / 5)^2.
    assert math.isclose(content["area_ranges"]["small"][1], 6.4**2)
    assert math.isclose(content["area_ranges"]["large"][0], 19.2**2)
    config = compose(["scale=smoke", *LONG, "seed=0"])
    assert content["config_sha256"] == config.sha256
    assert torch.load(finished / "checkpoint.pt", weights_only=True)["iteration"] == 24
    predictions = json.loads((finished / "predictions.json").read_text())
    assert {one["category_id"] for one in predictions} <= set(range(1, 9))
    assert "instances_train.json: 16 images" in (finished / "log.txt").read_text()


def test_the_configuration_is_recorded_in_full(finished: Path) -> None:
    text = (finished / "config.yaml").read_text()
    assert "${" not in text
    solver = yaml.safe_load(text)["solver"]
    assert solver["iterations"] == 24
    # 24 of 90,000 iterations: the decays at 60,000 and 80,000 become 16 and 21.3, the learning
    # rate's warm-up of 1,000 less than one, and the pairwise loss's warm-up of 10,000 2.7.
    assert solver["learning_rate_schedule"]["steps"] == [16, 21]
    assert set(re.findall(r"warmup_iterations: (\d+)", text)) == {"1", "2"}


def test_classes_that_the_data_tell_are_recorded(coco_root: Path, tmp_path: Path) -> None:
    words = ("method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    run = trained(tmp_path / "run", *words)
    counts = set(re.findall(r"num_classes: (\w+)", (run / "config.yaml").read_text()))
    assert counts == {"8"}
    asked = compose(["scale=smoke", *words])
    assert asked.num_classes is None
    assert result(run)["config_sha256"] == asked.sha256
    shutil.rmtree(coco_root)  # a run that is finished needs no data to be known as such
    assert "is finished; nothing to train" in train(run, *words).err


def test_every_step_is_logged(finished: Path) -> None:
    lines = losses(finished)
    assert [line["iteration"] for line in lines] == list(range(1, 25))
    for line in lines:
        parts = [value for name, value in line.items() if name.startswith("loss")]
        assert len(parts) == 5
        assert math.isclose(sum(parts), line["total_loss"], rel_tol=1e-5)
    # The first step is the warm-up's, at a thousandth; decays at 16 and 21.
    rates = [line["lr"] for line in lines]
    assert math.isclose(rates[0], 1e-6)
    assert all(math.isclose(rate, 1e-3) for rate in rates[1:16])
    assert all(math.isclose(rate, 1e-4) for rate in rates[16:21])
    assert all(math.isclose(rate, 1e-5) for rate in rates[21:])


def test_training_lowers_the_loss(finished: Path) -> None:
    totals = [line["total_loss"] for line in losses(finished)]
    assert sum(totals[-6:]) < 0.95 * sum(totals[:6])


def test_a_finished_run_is_not_run_again(finished: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.iterdir()}
    outcome = train(finished, *LONG)
    assert outcome.code == 0
    assert "is finished; nothing to train" in outcome.err
    assert {file: file.stat().st_mtime_ns for file in finished.iterdir()} == before
    table = outcome.out.splitlines()
    assert re.fullmatch(r"mask( +(\d+\.\d|-)){6}", table[1])
    assert table[2].split()[1] == f"{result(finished)['metrics']['bbox/AP']:.1f}"
    assert table[3] == "small: below 41 square pixels, large: above 369"
    metrics = result(finished)["metrics"]
    predicted = ("IoU", "IoU-top", "hollow", "full")
    shown = (f"predicted {n} {metrics[f'predicted/{n}']:.1f}" for n in predicted)
    assert table[4] == f"by the true masks, in per cent: {', '.join(shown)}"
    assert [line.split(":")[0] for line in table[5:8]] == [f"on {one}" for one in SITUATIONS]
    assert table[8] == f"{finished}/result.json"


def test_one_seed_gives_one_result(finished: Path, tmp_path: Path) -> None:
    again = trained(tmp_path / "again", *LONG)
    assert losses(again) == losses(finished)
    assert result(again)["metrics"] == result(finished)["metrics"]
    predictions = (finished / "predictions.json").read_bytes()
    assert len(predictions) > 1000
    assert (again / "predictions.json").read_bytes() == predictions


def test_another_seed_gives_another(finished: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", "method=boxinst", "seed=1")
    ours, theirs = losses(finished)[0], losses(other)[0]
    differing = [name for name in ours if ours[name] != theirs[name]]
    assert {name for name in ours if name.startswith("loss")} <= set(differing)


def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    words = ("method=boxinst",)
    alone = trained(tmp_path / "alone", *words)
    helped = trained(tmp_path / "helped", *words, "workers=2")
    assert losses(helped) == losses(alone)
    assert result(helped)["config_sha256"] == result(alone)["config_sha256"]


def test_masks_train_condinst(condinst: Path) -> None:
    content = result(condinst)
    assert (content["method"], content["row"]) == ("condinst", "condinst-scenes")
    assert all(line["loss_mask"] > 0 for line in losses(condinst))


def test_the_configuration_is_shown_and_nothing_is_run(tmp_path: Path) -> None:
    outcome = boxseg("train", "scale=smoke", f"run_dir={tmp_path}/a", "--show-config")
    assert outcome.code == 0
    shown = yaml.safe_load(outcome.out)
    assert shown["scale"]["name"] == "smoke"
    assert shown["run_dir"] == f"{tmp_path}/a"
    assert list(tmp_path.iterdir()) == []


def test_divergence_names_loss_step_and_what_is_good(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    absurd = ("method=boxinst", "solver.optimizer.learning_rate=1e30", "checkpoint_period=1")
    outcome = train(run_dir, *absurd)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    last = outcome.err.splitlines()[-1]
    assert re.fullmatch(
        rf"boxseg: run {run_dir} failed: (loss_\w+|the gradient's norm) became (nan|inf) at step "
        rf"(\d); last good checkpoint: {run_dir}/checkpoint\.pt of step (\d)\.",
        last,
    )
    step, good = map(int, re.findall(r"step (\d)", last))
    assert good == step - 1
    checkpoint = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    assert checkpoint["iteration"] == good
    assert all(torch.isfinite(t).all() for t in checkpoint["model"].values())
    failed = json.loads((run_dir / "failed.json").read_text())
    assert failed["error"] in last
    assert not (run_dir / "result.json").exists()


def test_divergence_before_the_first_checkpoint(tmp_path: Path) -> None:
    outcome = train(tmp_path / "run", "solver.optimizer.learning_rate=1e30", "checkpoint_period=9")
    assert outcome.code == 1
    assert "last good checkpoint: none was saved yet." in outcome.err
