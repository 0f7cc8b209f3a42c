"""How far a submitted run is: what its files say, completed by what Slurm says."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from boxseg.errors import InputError
from experiments.launch.slurm.records import (
    Submission,
    SubmittedRun,
    new_name,
    newest_attempts,
    read_submissions,
    submissions_folder,
)
from experiments.launch.slurm.statuses import statuses_of
from experiments.launch.tables import definitions
from reports.status import RunKey, RunStatus, State
from tests.experiments.command_line import boxseg
from tests.experiments.slurm_commands import Commands
from tests.reports.conftest import result_content

NAME = "boxseg-0001-aaaaaaaa"
RUN = "table3/qam/1x/seed0"
NOW = datetime.now(UTC)


def submitted(runs: Path, *names: str, **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "name": NAME,
        "submitted": NOW,
        "job": "12",
        "runs": tuple(SubmittedRun(run=name, config_sha256="0" * 64) for name in names or [RUN]),
    }
    submission = Submission(**{**fields, **changes})
    submission.write(submissions_folder(runs, "smoke"))
    return submission


def status(runs: Path) -> RunStatus:
    tables = definitions(["table3"])
    found: RunStatus = statuses_of(runs, tables, "smoke", [0])["table3"][RunKey("qam", "1x", 0)]
    return found


def folder(runs: Path) -> Path:
    place = runs / "smoke" / RUN
    place.mkdir(parents=True, exist_ok=True)
    return place


def at_work(runs: Path, **changes: Any) -> Path:
    content = {"pid": 1, "host": "node7", "started": NOW.isoformat(), "job": "12_0", **changes}
    file = folder(runs) / "running.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ("PENDING|Resources", State.QUEUED, "job 12_0: Resources"),
        ("RUNNING|None", State.RUNNING, "job 12_0"),
        ("COMPLETING|None", State.RUNNING, "job 12_0; Slurm is ending it"),
        ("NODE_FAIL|None", State.FAILED, "job 12_0 ended as NODE_FAIL"),
        ("COMPLETED|None", State.FAILED, "job 12_0 ended as COMPLETED"),
        ("CANCELLED|None", State.CANCELLED, "job 12_0 was cancelled"),
        ("EXPEDITING|None", State.RUNNING, "job 12_0"),
    ],
)
def test_a_run_without_files(
    tmp_path: Path, slurm_commands: Commands, answer: str, state: State, reason: str
) -> None:
    submitted(tmp_path)
    slurm_commands.says("squeue", f"{NAME}|12_0|{answer}")
    assert status(tmp_path) == RunStatus(state, reason)


def test_a_job_that_no_one_knows_is_lost(tmp_path: Path, slurm_commands: Commands) -> None:
    submitted(tmp_path)
    slurm_commands.says("squeue")
    assert status(tmp_path) == RunStatus(State.LOST, "no one knows job 12_0 any more")
    (folder(tmp_path) / "checkpoint.pt").touch()
    assert status(tmp_path).reason == (
        "no one knows job 12_0 any more; resumes from its checkpoint"
    )


def test_a_job_that_we_cancelled_is_not_lost(tmp_path: Path, slurm_commands: Commands) -> None:
    submitted(tmp_path, cancelled=(0,))
    slurm_commands.says("squeue")
    assert status(tmp_path) == RunStatus(State.CANCELLED, "job 12_0 was cancelled")


def test_where_slurm_is_silent_nothing_is_known(tmp_path: Path, slurm_commands: Commands) -> None:
    submitted(tmp_path, cancelled=(0,))
    found = status(tmp_path)
    assert found.state is State.UNKNOWN
    assert "Slurm does not answer (squeue: " in found.reason
    assert boxseg("status", "table3", "--scale", "smoke", "--runs", tmp_path).code == 0


def test_a_finished_run_is_done_whatever_slurm_says(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    content = result_content(row="qam", scale="smoke")
    (folder(tmp_path) / "result.json").write_text(json.dumps(content))
    assert status(tmp_path).state is State.DONE
    assert slurm_commands.calls == []  # nobody is asked


def test_a_result_of_another_configuration_is_queued_for_its_own(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    content = result_content(row="qam", scale="smoke", config_sha256="another")
    (folder(tmp_path) / "result.json").write_text(json.dumps(content))
    slurm_commands.says("squeue", f"{NAME}|12_0|PENDING|Resources")
    assert status(tmp_path).state is State.QUEUED
    slurm_commands.says("squeue")
    assert status(tmp_path).state is State.DONE


def test_a_failed_run_that_is_queued_again_is_queued(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    failed = {"error": "loss became nan", "time": NOW.isoformat()}
    (folder(tmp_path) / "failed.json").write_text(json.dumps(failed))
    slurm_commands.says("squeue", f"{NAME}|12_0|PENDING|BeginTime")
    assert status(tmp_path).state is State.QUEUED
    slurm_commands.says("squeue", f"{NAME}|12_0|FAILED|NonZeroExitCode")
    assert (status(tmp_path).state, status(tmp_path).reason) == (State.FAILED, "loss became nan")
    slurm_commands.says("squeue")
    assert (status(tmp_path).state, status(tmp_path).reason) == (State.FAILED, "loss became nan")


def test_a_process_of_this_machine_runs_whatever_slurm_says(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    at_work(tmp_path, pid=os.getpid(), host=socket.gethostname(), started=NOW.isoformat())
    slurm_commands.says("squeue")
    assert status(tmp_path).state is State.RUNNING


def test_a_process_of_another_machine_ends_with_its_job(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    file = at_work(tmp_path)
    slurm_commands.says("squeue", f"{NAME}|12_0|RUNNING|None")
    assert status(tmp_path).state is State.RUNNING
    slurm_commands.says("squeue", f"{NAME}|12_0|FAILED|NonZeroExitCode")
    assert status(tmp_path).state is State.FAILED  # the sign of life is younger than its death
    slurm_commands.says("squeue", f"{NAME}|12_0|PENDING|BeginTime")
    assert status(tmp_path).state is State.QUEUED
    at_work(tmp_path, job="99_0")  # somebody else's
    slurm_commands.says("squeue", f"{NAME}|12_0|FAILED|NonZeroExitCode")
    assert status(tmp_path).state is State.ELSEWHERE
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    assert status(tmp_path).state is State.FAILED


def test_the_newest_submission_counts(tmp_path: Path, slurm_commands: Commands) -> None:
    submitted(tmp_path)
    submitted(tmp_path, name="boxseg-0010-bbbbbbbb", job="20")
    submitted(tmp_path, name="boxseg-0009-cccccccc", job="19")
    lines = ("boxseg-0010-bbbbbbbb|20_0|PENDING|Resources", f"{NAME}|12_0|FAILED|None")
    slurm_commands.says("squeue", *lines)
    assert status(tmp_path).reason == "job 20_0: Resources"


def test_a_submitter_that_died_too_early_leaves_a_job_to_be_found(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path, job=None)
    slurm_commands.says("squeue", f"{NAME}|31_0|PENDING|Resources")
    assert status(tmp_path).reason == "job 31_0: Resources"
    slurm_commands.says("squeue")  # it died before Slurm was asked
    assert status(tmp_path).state is State.MISSING


def test_the_last_lines_of_the_job_s_log(tmp_path: Path, slurm_commands: Commands) -> None:
    submission = submitted(tmp_path)
    log = submissions_folder(tmp_path, "smoke") / submission.name / "12_0_0_log.err"
    log.write_text("one\n" * 2000 + "two\n\n\x1b[31mthree\nfour\nfive\nslurmstepd: Killed\n")
    slurm_commands.says("squeue", f"{NAME}|12_0|FAILED|None")
    found = status(tmp_path)
    assert found.log == f"smoke/.slurm/{NAME}/12_0_0_log.err"
    assert found.tail == ("two", "[31mthree", "four", "five", "slurmstepd: Killed")
    text = boxseg("status", "table3", "--scale", "smoke", "--runs", tmp_path).out.splitlines()
    line = next(number for number, line in enumerate(text) if line.startswith("qam "))
    assert "failed" in text[line]
    last = text.index("    | slurmstepd: Killed")
    assert text[last - 4 : last] == [f"    | {one}" for one in found.tail[:-1]]
    assert last - line <= 7  # below the run, whose reason and log take a line or two more
    assert text[last + 1].startswith("qam ")
    slurm_commands.says("squeue", f"{NAME}|12_0|RUNNING|None")
    assert status(tmp_path).tail == ()


def test_records_survive_being_read_back(tmp_path: Path) -> None:
    written = submitted(tmp_path, RUN, "table3/qam/3x/seed0")
    found = read_submissions(submissions_folder(tmp_path, "smoke"))
    assert found == [written]
    attempts = newest_attempts(found)
    assert attempts["table3/qam/3x/seed0"].task == "12_1"
    assert read_submissions(tmp_path / "nowhere") == []


def test_names_are_unique_and_in_order(tmp_path: Path) -> None:
    first = new_name([])
    assert first.startswith("boxseg-0001-")
    assert new_name([]) != first
    last = dataclasses.replace(newest_attempts([submitted(tmp_path)])[RUN]).submission
    assert new_name([last.model_copy(update={"name": "boxseg-9999-aaaaaaaa"})])[:12] == (
        "boxseg-10000"
    )


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    submitted(tmp_path)
    record = submissions_folder(tmp_path, "smoke") / NAME / "submission.json"
    record.write_text("{")
    with pytest.raises(InputError, match=r"submission\.json, the record of what was submitted"):
        status(tmp_path)


def test_a_run_that_is_another_table_s_is_as_far_as_that_one(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    submitted(tmp_path)
    link = tmp_path / "smoke" / RUN.replace("table3", "table4")
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../table3/qam/1x/seed0")  # where nothing is yet
    slurm_commands.says("squeue", f"{NAME}|12_0|PENDING|Resources")
    tables = definitions(["table3", "table4"])
    found = statuses_of(tmp_path, tables, "smoke", [0])
    key = RunKey("qam", "1x", 0)
    assert found["table4"][key] == found["table3"][key]
    assert found["table4"][key].state is State.QUEUED
    assert found["table4"][RunKey("baseline", "1x", 0)].state is State.MISSING
