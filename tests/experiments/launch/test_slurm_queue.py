"""What Slurm is asked, and what is made of its answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from experiments.launch.slurm.queue import Queue, Task, ask
from experiments.launch.slurm.records import Attempt, Submission, SubmittedRun
from tests.experiments.slurm_commands import Commands

ONE, TWO = "boxseg-0001-aaaaaaaa", "boxseg-0002-bbbbbbbb"


def submission(name: str, tasks: int = 4) -> Submission:
    runs = tuple(SubmittedRun(run=f"t/r/c/seed{k}", config_sha256="0") for k in range(tasks))
    return Submission(name=name, submitted=datetime(2026, 11, 22, tzinfo=UTC), runs=runs)


def task(queue: Queue, name: str, index: int) -> Task | None:
    return queue.task(Attempt(submission(name), index))


def test_nothing_submitted_nothing_asked(slurm_commands: Commands) -> None:
    assert ask([]) == Queue()
    assert slurm_commands.calls == []


def test_all_submissions_are_asked_for_at_once_and_by_name(slurm_commands: Commands) -> None:
    slurm_commands.says("squeue")
    ask([submission(ONE), submission(TWO)])
    sacct, squeue = slurm_commands.calls
    assert f"--name={ONE},{TWO}" in sacct
    assert "--starttime=2026-11-2" in sacct  # sacct alone would look at today's jobs
    assert f"--name={ONE},{TWO}" in squeue
    assert "--states=all" in squeue


def test_without_accounting_the_queue_tells(slurm_commands: Commands) -> None:
    slurm_commands.fails("sacct", "Slurm accounting storage is disabled")
    lines = (f"{ONE}|12_0|RUNNING|None", f"{ONE}|12_1|CANCELLED|None", f"{TWO}|13_2|PENDING|Res|s")
    slurm_commands.says("squeue", *lines)
    queue = ask([submission(ONE), submission(TWO)])
    assert queue.silence is None
    assert task(queue, ONE, 0) == Task("12_0", "RUNNING", "None")
    assert task(queue, TWO, 2) == Task("13_2", "PENDING", "Res|s")
    assert task(queue, ONE, 2) is None
    living = [found.live for found in queue.tasks.values()]
    assert living == [True, False, True]


def test_an_array_cancelled_before_it_began_stands_in_one_line(slurm_commands: Commands) -> None:
    slurm_commands.says("squeue", f"{ONE}|12|CANCELLED|Priority", f"{ONE}|12_1|RUNNING|None")
    queue = ask([submission(ONE)])
    assert task(queue, ONE, 0) == Task("12", "CANCELLED", "Priority")
    assert task(queue, ONE, 1) == Task("12_1", "RUNNING", "None")


def test_accounting_knows_the_ended_and_the_queue_the_living(slurm_commands: Commands) -> None:
    slurm_commands.says(
        "sacct",
        f"{ONE}|12_0|OUT_OF_MEMORY|0:125",  # the queue has forgotten it
        f"{ONE}|12_1|CANCELLED by 1000|0:0",
        f"{ONE}|12_2|RUNNING|0:0",  # the queue does not know it: its node was lost
        f"{ONE}|12_3|FAILED|1:0",  # and queued again since
        f"{ONE}|12_[4-7]|PENDING|0:0",
    )
    slurm_commands.says("squeue", f"{ONE}|12_3|PENDING|BeginTime", f"{ONE}|12_4|PENDING|Resources")
    queue = ask([submission(ONE, 8)])
    assert task(queue, ONE, 0) == Task("12_0", "OUT_OF_MEMORY", "0:125")
    assert task(queue, ONE, 1) == Task("12_1", "CANCELLED", "0:0")
    assert task(queue, ONE, 2) is None
    assert task(queue, ONE, 3) == Task("12_3", "PENDING", "BeginTime")
    assert task(queue, ONE, 4) == Task("12_4", "PENDING", "Resources")
    assert task(queue, ONE, 5) is None


@pytest.mark.parametrize(
    "state",
    ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUE_HOLD", "EXPEDITING", "TO_COME"],
)
def test_the_living(state: str) -> None:
    assert Task("1_0", state, "").live


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"])
def test_the_dead(state: str) -> None:
    assert not Task("1_0", state, "").live


def test_silence_is_no_answer(
    slurm_commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_commands.fails("squeue", "Unable to contact slurm controller")
    slurm_commands.says("sacct", f"{ONE}|12_0|FAILED|1:0")
    queue = ask([submission(ONE)])
    assert queue.silence == "squeue: squeue: error: Unable to contact slurm controller"
    assert task(queue, ONE, 0) == Task("12_0", "FAILED", "1:0")
    slurm_commands.says("squeue", "something else")
    assert ask([submission(ONE)]).silence == "its line 'something else' cannot be understood"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask([submission(ONE)]).silence == "squeue is not installed here"


def test_what_sites_print_around_the_answer_is_no_part_of_it(slurm_commands: Commands) -> None:
    slurm_commands.says(
        "sacct", "Welcome", f"{ONE}|12_1|FAILED|1:0", "sacct|is|deprecated|here", ""
    )
    head = "NAME|JOBID|STATE|REASON"
    slurm_commands.says(
        "squeue", " * maintenance on Friday *", "", head, f"{ONE}|12_0|RUNNING|None"
    )
    queue = ask([submission(ONE)])
    assert queue.silence is None
    assert task(queue, ONE, 0) == Task("12_0", "RUNNING", "None")
    assert task(queue, ONE, 1) == Task("12_1", "FAILED", "1:0")
    slurm_commands.says("squeue", " * maintenance on Friday *", head)
    assert ask([submission(ONE)]).silence is None


@pytest.mark.parametrize("line", [f"{ONE} 12_0 RUNNING", f"{ONE}|12_0|+|None", f"{ONE}|12_0"])
def test_a_line_on_our_own_task_that_cannot_be_understood(
    slurm_commands: Commands, line: str
) -> None:
    """The task may live: it is waited for."""
    slurm_commands.says("squeue", "NAME|JOBID|STATE|REASON", f"{ONE}|12_1|RUNNING|None", line)
    assert ask([submission(ONE)]).silence == f"its line {line!r} cannot be understood"
