"""A run that is killed, interrupted or out of disk ends as one that never stopped."""

from __future__ import annotations

import _thread
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg, losses, result, train, trained
from tests.experiments.conftest import LONG
from tests.file_size_limit import file_size_limit
from tests.method_steps import NEEDS_MMDET

# QAM and PC with thresholds that an untrained detector passes, so that both have work to do.
BOXSEG = (
    "method=boxseg",
    "images.iterations_1x=24",
    "segmenter.detector.score_threshold=0.001",
    "pseudo_labels.fusion.score_threshold=0",
    "copy_paste.min_quality=0",
    "copy_paste.min_score=0",
)
# The same with queries for its host.
QUERIES = (
    "method=boxseg-t",
    "segmenter.score_threshold=0",
    "pseudo_labels.fusion.score_threshold=0",
    "copy_paste.min_quality=0",
    "copy_paste.min_score=0",
)

# DiscoBox with all its parts from the start, and limits that untrained masks pass.
DISCOBOX = (
    "method=discobox",
    "losses=discobox-correspondence",
    "images.iterations_1x=24",
    "losses.discobox.gate.start_iterations=0",
    "losses.discobox.correspondence_gate.start_iterations=0",
    "losses.discobox.bank.wanted=2",
    "losses.discobox.bank.likeness.foreground=0.01",
    "losses.discobox.bank.likeness.background=0.01",
    "losses.discobox.bank.likeness.appearance=0.01",
    "losses.discobox.bank.likeness.shapes=[0.2,5]",
)


def wait_for(file: Path, process: subprocess.Popen[str] | None = None) -> None:
    """Until `file` is there."""
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} was not written in time"
        assert process is None or process.poll() is None, "the process ended by itself"
        time.sleep(0.001)


def kill(run_dir: Path, data_dir: Path, *words: str) -> Path:
    """A run of 24 steps that SIGKILL ended after its first checkpoint (step 2)."""
    command = ("train", "scale=smoke", "threads=1", *words, f"run_dir={run_dir}")
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", *command],
        cwd=REPOSITORY,
        env=os.environ | {"BOXSEG_DATA": str(data_dir)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(run_dir / "checkpoint.pt", process)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (run_dir / "result.json").exists()
    assert 2 <= step_of(run_dir) < 24
    assert (run_dir / "running.json").exists()  # nothing was tidied up
    return run_dir


@pytest.fixture(scope="module")
def killed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A killed run of BoxInst."""
    return kill(tmp_path_factory.mktemp("runs") / "killed", data_dir, *LONG)


@pytest.fixture
def half_done(killed: Path, tmp_path: Path) -> Path:
    """A copy of the killed run, to be gone on with."""
    return Path(shutil.copytree(killed, tmp_path / "run"))


def step_of(run_dir: Path) -> int:
    checkpoint = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    return int(checkpoint["iteration"])


def assert_ended_like(run_dir: Path, finished: Path) -> None:
    assert result(run_dir)["metrics"] == result(finished)["metrics"]
    predictions = (finished / "predictions.json").read_bytes()
    assert (run_dir / "predictions.json").read_bytes() == predictions
    assert [line["iteration"] for line in losses(run_dir)] == list(range(1, 25))
    assert losses(run_dir) == losses(finished)
    assert not (run_dir / "running.json").exists()
    assert not (run_dir / "failed.json").exists()


def test_a_killed_run_goes_on_as_if_never_stopped(half_done: Path, finished: Path) -> None:
    step = step_of(half_done)
    with (half_done / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"iteration": 22}\n{"iteration": 23, "loss_fcos')  # torn by the kill
    outcome = train(half_done, *LONG)
    assert outcome.code == 0, outcome.err
    assert f"resuming {half_done} at step {step} of 24" in outcome.err
    assert f"steps {step + 1} to 22 were not saved, so they are done again" in outcome.err
    assert_ended_like(half_done, finished)


@pytest.mark.slow
def test_a_killed_run_of_boxseg_goes_on_with_teacher_bank_and_generators(
    data_dir: Path, tmp_path: Path
) -> None:
    run_dir = kill(tmp_path / "run", data_dir, *BOXSEG)
    checkpoint = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    assert checkpoint["model"]["_extra_state"]["bank"]["tutors"]
    whole = trained(tmp_path / "whole", *BOXSEG)
    assert_ended_like(trained(run_dir, *BOXSEG), whole)
    lines = losses(whole)
    assert all(line["pseudo_valid_share"] > 0 and line["loss_mask"] > 0 for line in lines)
    pastes = [line["copy_paste_pastes"] for line in lines]
    # Of two images a step with probability 0.7 each, from a bank that is empty at first.
    assert pastes[0] == 0
    assert sum(pastes[1:]) == pytest.approx(0.7 * 2 * 23, abs=10)
    assert len(set(pastes[1:])) > 1


@pytest.mark.slow
def test_a_killed_run_of_discobox_goes_on_with_teacher_and_bank(
    data_dir: Path, tmp_path: Path
) -> None:
    run_dir = kill(tmp_path / "run", data_dir, *DISCOBOX)
    model = torch.load(run_dir / "checkpoint.pt", weights_only=True)["model"]
    assert len(model["student.mask_losses.discobox._extra_state"]["classes"])
    whole = trained(tmp_path / "whole", *DISCOBOX)
    assert_ended_like(trained(run_dir, *DISCOBOX), whole)
    lines = losses(whole)
    assert all(line["loss_self_training"] > 0 for line in lines)
    assert any(line["correspondence_objects"] > 0 for line in lines)
    last = torch.load(run_dir / "checkpoint.pt", weights_only=True)["model"]
    own = [name for name in last if name.startswith("student.") and name.endswith("weight")]
    assert any(not torch.equal(last[name], last[f"teacher{name[7:]}"]) for name in own)


@pytest.mark.slow
@NEEDS_MMDET
@pytest.mark.parametrize("words", [("method=mask2former",), ("method=box2mask-t",), QUERIES])
def test_a_killed_run_of_queries_goes_on(
    words: tuple[str, ...], data_dir: Path, tmp_path: Path
) -> None:
    of_24_steps = (*words, "images.iterations_1x=6")  # 50 epochs are 4.1 times as many
    run_dir = kill(tmp_path / "run", data_dir, *of_24_steps)
    whole = trained(tmp_path / "whole", *of_24_steps)
    assert_ended_like(trained(run_dir, *of_24_steps), whole)
    of_masks = "loss_levelset" if "method=box2mask-t" in words else "loss_mask"
    assert all(line[of_masks] > 0 for line in losses(whole))


def test_a_full_disk_leaves_the_old_checkpoint_to_go_on_from(
    half_done: Path, finished: Path
) -> None:
    before = (half_done / "checkpoint.pt").read_bytes()
    with file_size_limit(1_000_000):  # a checkpoint takes 2.5 MB
        outcome = train(half_done, *LONG)
    assert outcome.complaint == (
        f"cannot write {half_done}/checkpoint.pt: File too large; free the disk or choose a "
        "writable folder."
    )
    assert (half_done / "checkpoint.pt").read_bytes() == before
    assert not list(half_done.glob(".*.tmp"))
    assert "cannot write" in json.loads((half_done / "failed.json").read_text())["error"]
    assert_ended_like(trained(half_done, *LONG), finished)


def interrupted(run_dir: Path, *words: str) -> Outcome:
    """Train until the first checkpoint is there, and then press Control-C."""

    def interrupt() -> None:
        wait_for(run_dir / "checkpoint.pt")
        _thread.interrupt_main()

    # A process started in the background may have been told to ignore Control-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        outcome = train(run_dir, *words)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert outcome.code == 130, outcome.err
    assert 2 <= step_of(run_dir) < 24
    # Up to the very step that was under way.
    assert losses(run_dir)[-1]["iteration"] == step_of(run_dir)
    return outcome


def test_control_c_is_no_failure(tmp_path: Path, finished: Path) -> None:
    run_dir = tmp_path / "run"
    outcome = interrupted(run_dir, *LONG)
    assert outcome.err.splitlines()[-1] == (
        "boxseg: interrupted; the same command goes on from what was saved."
    )
    assert not (run_dir / "failed.json").exists()
    assert_ended_like(trained(run_dir, *LONG), finished)


def test_the_model_s_own_random_numbers_go_on(tmp_path: Path) -> None:
    # CondInst draws the positives that get a mask, here 5 of dozens, from torch's generator.
    words = ("method=condinst", "images.iterations_1x=24", "model.positive_sampler.maximum=5")
    whole = trained(tmp_path / "whole", *words)
    interrupted(tmp_path / "run", *words)
    assert_ended_like(trained(tmp_path / "run", *words), whole)


def test_a_full_disk_in_the_middle_of_the_metrics(half_done: Path) -> None:
    metrics = half_done / "metrics.jsonl"
    metrics.write_text(json.dumps({"iteration": 0, "filling": "x" * 50_000}) + "\n")
    with file_size_limit(metrics.stat().st_size + 20):
        outcome = train(half_done, *LONG, "checkpoint_period=24")
    assert outcome.complaint.startswith(f"cannot write {metrics}: File too large; free the disk")


def test_a_checkpoint_of_another_run_of_the_same_architecture(half_done: Path) -> None:
    checkpoint = half_done / "checkpoint.pt"
    content = torch.load(checkpoint, weights_only=True)
    torch.save(content | {"config_sha256": "0" * 64}, checkpoint)
    assert train(half_done, *LONG).complaint == (
        f"checkpoint {checkpoint} was trained with another configuration; delete it to start this "
        "run again, or restore its own."
    )


@pytest.mark.parametrize("damage", ["truncated", "another architecture", "foreign pickle"])
def test_checkpoints_that_cannot_be_gone_on_from(
    half_done: Path, condinst: Path, damage: str
) -> None:
    checkpoint = half_done / "checkpoint.pt"
    if damage == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:100_000])
        said = f"checkpoint {checkpoint} cannot be read"
    elif damage == "another architecture":
        shutil.copy(condinst / "checkpoint.pt", checkpoint)
        said = f"checkpoint {checkpoint} is of another architecture"
    else:
        torch.save({"format": 1, "path": half_done}, checkpoint)
        said = f"checkpoint {checkpoint} cannot be read"
    before = checkpoint.read_bytes()
    assert train(half_done, *LONG).complaint.startswith(said)
    assert checkpoint.read_bytes() == before
    assert said in json.loads((half_done / "failed.json").read_text())["error"]
    evaluated = boxseg("evaluate", half_done)
    assert evaluated.complaint.startswith(said)
