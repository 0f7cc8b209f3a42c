"""Submitting to a real Slurm: each run once, whatever happens to the process that submits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.configuration.compose import _composed
from experiments.launch.slurm.records import Submission, read_submissions, submissions_folder
from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg
from tests.experiments.slurm_cluster import Cluster, run, sbatch_replaced, started, wait_until

pytestmark = pytest.mark.slow

# Held: they wait for ever, so nothing is trained here.
WORDS = ("reproduce", "table3", "--scale", "smoke", "--launcher", "slurm")
HELD = "launcher.further={hold:true}"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """A cluster whose arrays have five tasks at most."""
    yield from started(max_array_size=5)


@pytest.fixture
def folder(tmp_path: Path, slurm: Cluster) -> Iterator[Path]:
    """A folder of runs; what is queued in the end is cancelled."""
    yield tmp_path / "runs"
    run("scancel", f"--user={os.getuid()}")
    slurm.wait_until_empty()


def reproduce(folder: Path, *words: str) -> Outcome:
    out = folder.parent / "out"
    return boxseg(*WORDS, "--runs", folder, "--out", out, HELD, *words)


def states(folder: Path) -> list[str]:
    outcome = boxseg("status", "table3", "--scale", "smoke", "--runs", folder)
    assert outcome.code == 0, outcome.err
    return re.findall(r"^\S+ +\dx +0 +(.+?)(?:  |$)", outcome.out, re.MULTILINE)


def submissions(folder: Path) -> list[Submission]:
    return read_submissions(submissions_folder(folder, "smoke"))


def test_a_table_is_queued_once(folder: Path, slurm: Cluster) -> None:
    first = reproduce(folder)
    assert first.code == 0, first.err
    assert "0 finished, 8 submitted" in first.err
    assert [len(submission.runs) for submission in submissions(folder)] == [5, 3]
    assert list(slurm.tasks().values()) == ["PENDING"] * 8
    assert states(folder) == ["queued"] * 8
    assert "queued" in (folder.parent / "out" / "smoke" / "table3.md").read_text()
    before = slurm.tasks()
    again = reproduce(folder)
    assert again.code == 0, again.err
    assert "0 finished, 8 queued, 0 submitted" in again.err
    assert slurm.tasks() == before


def test_what_another_table_has_queued_is_not_submitted(folder: Path, slurm: Cluster) -> None:
    reproduce(folder)
    words = ("reproduce", "table4", *WORDS[2:], "--runs", folder, "--out", folder.parent / "out")
    outcome = boxseg(*words, HELD)
    assert outcome.code == 0, outcome.err
    assert "0 finished, 4 queued, 6 submitted" in outcome.err  # the baseline and QAM, 1x and 3x
    assert len(slurm.tasks()) == 14
    status = boxseg("status", "table4", "--scale", "smoke", "--runs", folder).out
    assert status.count("queued") == 10
    assert boxseg("cancel", "table4", "--scale", "smoke", "--runs", folder).out.count(": ") == 6
    assert len(slurm.tasks()) == 8


def test_cancelling_and_submitting_again(folder: Path, slurm: Cluster) -> None:
    reproduce(folder)
    words = ("--scale", "smoke", "--runs", folder)
    assert boxseg("cancel", "table4", *words).out == ""
    assert len(slurm.tasks()) == 8
    outcome = boxseg("cancel", "table3", *words)
    assert outcome.out.count(": cancelled job ") == 8
    slurm.wait_until_empty()
    assert states(folder) == ["cancelled"] * 8
    assert boxseg("cancel", *words).out == ""
    assert "0 finished, 8 submitted" in reproduce(folder).err
    assert len(slurm.tasks()) == 8


def test_tasks_cancelled_behind_our_back(folder: Path, slurm: Cluster) -> None:
    reproduce(folder)
    job = submissions(folder)[1].job
    run("scancel", f"{job}_0", f"{job}_2")
    assert len(slurm.tasks()) == 6
    found = states(folder)
    assert found.count("queued") == 6
    assert "6 queued, 2 submitted" in reproduce(folder).err
    assert [run.run for run in submissions(folder)[2].runs] == [
        submissions(folder)[1].runs[index].run for index in (0, 2)
    ]


def test_another_configuration_waits_its_turn(folder: Path, slurm: Cluster) -> None:
    reproduce(folder, "--rows", "qam")
    other = reproduce(folder, "--rows", "qam", "seed=0", "solver.batch_size=1")
    assert other.code == 1
    assert other.err.count("with another configuration; wait for it, or end it with") == 2
    assert len(slurm.tasks()) == 2


def killed_while_submitting(folder: Path, sbatch: str) -> None:
    """Start `boxseg reproduce` with an sbatch of our own, which kills it."""
    words = [*WORDS, "--runs", str(folder), HELD]
    with sbatch_replaced(folder.parent / "programs", sbatch):
        command = [sys.executable, "-m", "experiments.cli", *words]
        done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [submission.job for submission in submissions(folder)] == [None]


def test_a_submitter_killed_before_it_could_write_down_the_job(
    folder: Path, slurm: Cluster
) -> None:
    killed_while_submitting(folder, "REAL; kill -9 $PPID")
    assert len(slurm.tasks()) == 5
    assert states(folder).count("queued") == 5
    again = reproduce(folder)
    assert "0 finished, 5 queued, 3 submitted" in again.err
    assert len(slurm.tasks()) == 8
    assert {task.split("_")[0] for task in slurm.tasks()} == {
        submission.job for submission in submissions(folder)
    }
    assert "8 queued, 0 submitted" in reproduce(folder).err


def test_a_submitter_killed_while_slurm_is_still_taking_the_job(
    folder: Path, slurm: Cluster
) -> None:
    killed_while_submitting(folder, "kill -9 $PPID; sleep 3; REAL >/dev/null 2>&1")
    again = reproduce(folder)  # waits for that sbatch, which holds the lock
    assert "0 finished, 5 queued, 3 submitted" in again.err
    assert len(slurm.tasks()) == 8


def test_a_submitter_killed_before_slurm_was_asked(folder: Path, slurm: Cluster) -> None:
    killed_while_submitting(folder, "kill -9 $PPID")
    assert states(folder) == ["not run"] * 8
    assert "0 finished, 8 submitted" in reproduce(folder).err
    assert len(slurm.tasks()) == 8


def test_an_sbatch_that_greets_before_it_answers(folder: Path, slurm: Cluster) -> None:
    greeting = "echo 'Welcome to the 3rd machine'; REAL; echo; echo 'have a nice day'"
    with sbatch_replaced(folder.parent / "programs", greeting):
        assert reproduce(folder).code == 0
    assert {task.split("_")[0] for task in slurm.tasks()} == {
        submission.job for submission in submissions(folder)
    }


def test_an_sbatch_whose_answer_has_no_number(folder: Path, slurm: Cluster) -> None:
    """The first array is there: it is found by its name and not submitted again."""
    with sbatch_replaced(folder.parent / "programs", "REAL >/dev/null; echo done"):
        outcome = reproduce(folder)
    assert outcome.code == 2
    assert "without telling the job's number (it said: done)" in outcome.complaint
    assert "5 queued, 3 submitted" in reproduce(folder).err
    assert len(slurm.tasks()) == 8


def test_two_submitters_at_once(folder: Path, slurm: Cluster) -> None:
    command = [sys.executable, "-m", "experiments.cli", *WORDS, "--runs", str(folder), HELD]
    command += ["--out", str(folder.parent / "out")]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("0 finished, 8 submitted" in text for text in said) == 1
    assert sum("0 finished, 8 queued, 0 submitted" in text for text in said) == 1
    assert len(slurm.tasks()) == 8


def test_jobs_have_what_was_asked_for(folder: Path, slurm: Cluster) -> None:
    words = ("launcher.time=77", "launcher.cpus=2", "launcher.partition=cpu", "--max-parallel", "2")
    assert reproduce(folder, *words).code == 0
    shown = run("scontrol", "show", "job", next(iter(slurm.tasks())), "--oneliner")
    for part in ("TimeLimit=01:17:00", "CPUs/Task=2", "Partition=cpu", "Requeue=1"):
        assert part in shown
    script = (folder / "smoke" / ".slurm" / submissions(folder)[0].name / "batch.sh").read_text()
    assert "--cpus-per-task=2" in next(line for line in script.splitlines() if "srun " in line)
    first, second = submissions(folder)
    assert f"Dependency=afterany:{first.job}_" in run("scontrol", "show", "job", str(second.job))
    refused = reproduce(folder.with_name("other"), "launcher.partition=nowhere")
    assert "missing: partition nowhere: Slurm knows cpu" in refused.err
    refused = reproduce(folder.with_name("other"), "launcher.constraint=nowhere")
    assert "Invalid feature specification" in refused.complaint


def test_at_paper_scale_nothing_is_submitted_before_data_and_weights_are_there(
    folder: Path, slurm: Cluster, coco_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BOXSEG_COCO", "BOXSEG_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    own = ("--runs", folder, "--out", folder.parent / "out", "--rows", "qam", "launcher.cpus=1")
    words = ("reproduce", "table3", "--scale", "paper", "--launcher", "slurm", *own)
    refused = boxseg(*words)
    assert refused.code == 2
    assert [line.split(":")[1] for line in refused.err.splitlines()[:-1]] == [
        " data of coco",
        " pretrained MSRA-R-50",
    ]
    assert slurm.tasks() == {}
    for split in ("train", "val"):
        annotations = coco_root / "annotations"
        (annotations / f"instances_{split}.json").rename(
            annotations / f"instances_{split}2017.json"
        )
        (coco_root / split).rename(coco_root / f"{split}2017")
    (coco_root / "MSRA-R-50.pt").write_bytes(b"a stand-in")
    monkeypatch.setenv("BOXSEG_COCO", str(coco_root))
    monkeypatch.setenv("BOXSEG_WEIGHTS", str(coco_root))
    _composed.cache_clear()  # as in a process of its own, which has the new variables
    outcome = boxseg(*words)
    assert outcome.code == 0, outcome.err
    assert "0 finished, 2 submitted" in outcome.err
    # It may be over soon: the stand-ins have other categories than COCO, and are no weights.
    wait_until(lambda: [*folder.rglob("*_0_log.err")], "a job starts")


def test_a_cluster_that_does_not_answer(
    folder: Path, slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reproduce(folder, "--rows", "qam")
    with monkeypatch.context() as patch:
        silent = slurm.folder / "silent.conf"
        silent.write_text(
            re.sub(
                r"SlurmctldPort=\d+", "SlurmctldPort=9", (slurm.folder / "slurm.conf").read_text()
            )
        )
        patch.setenv("SLURM_CONF", str(silent))
        assert states(folder).count("unknown") == 2
        again = reproduce(folder, "--rows", "qam")
        assert again.complaint.startswith("2 runs may be queued or at work, for instance job ")
    wait_until(lambda: len(slurm.tasks()) == 2, "both are still queued")
