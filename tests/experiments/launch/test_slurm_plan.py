"""Which runs are submitted, in which arrays, with which batch script."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from boxseg.errors import InputError
from experiments.launch.runs import Run, expand
from experiments.launch.slurm.executor import ArrayExecutor
from experiments.launch.slurm.plan import arrays_of, max_array_size, plan, resources_of
from experiments.launch.slurm.records import Attempt, Submission, SubmittedRun
from experiments.launch.tables import definitions
from reports.status import RunStatus, State
from tests.experiments.command_line import boxseg
from tests.experiments.slurm_commands import Commands

SMOKE = ("reproduce", "table3", "--scale", "smoke", "--launcher", "slurm", "--dry-run")


def runs_of(folder: Path, *overrides: str, seeds: int = 1) -> list[Run]:
    table3 = definitions(["table3"])[0]
    return expand(table3, "smoke", seeds, folder, rows=["baseline"], overrides=overrides)


def attempt(run: Run, digest: str) -> Attempt:
    submitted = (SubmittedRun(run=run.name, config_sha256=digest),)
    fields = {"name": "boxseg-0001-aaaaaaaa", "submitted": "2026-11-22T20:36:00+00:00"}
    return Attempt(Submission(runs=submitted, job="12", **fields), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "submitted"),
    [
        (State.MISSING, True),
        (State.FAILED, True),
        (State.LOST, True),
        (State.INTERRUPTED, True),
        (State.DONE, True),  # with a result that is not of this configuration
        (State.QUEUED, False),
        (State.RUNNING, False),
        (State.ELSEWHERE, False),
        (State.UNKNOWN, False),
    ],
)
def test_what_is_missing_or_failed_is_submitted(
    tmp_path: Path, state: State, submitted: bool
) -> None:
    runs = runs_of(tmp_path)
    statuses = {run.name: RunStatus(state) for run in runs}
    planned = plan(runs, statuses, {}, 100)
    assert planned.arrays == ((tuple(runs),) if submitted else ())
    assert set(planned.live) == (set() if submitted else {run.name for run in runs})


def test_what_is_finished_is_not(tmp_path: Path) -> None:
    one, other = runs_of(tmp_path)
    one.directory.mkdir(parents=True)
    (one.directory / "result.json").write_text(json.dumps({"config_sha256": one.sha256}))
    planned = plan([one, other], {r.name: RunStatus(State.MISSING) for r in (one, other)}, {}, 9)
    assert (planned.finished, planned.arrays) == ((one,), ((other,),))
    (one.directory / "result.json").write_text("{")
    planned = plan([one, other], {other.name: RunStatus(State.MISSING)}, {}, 9)
    assert "result.json is not valid JSON" in planned.refused[one.name]
    assert planned.arrays == ((other,),)


def test_a_job_of_another_configuration_is_not_taken_for_this_one(tmp_path: Path) -> None:
    run = runs_of(tmp_path)[0]
    statuses = {run.name: RunStatus(State.QUEUED, "job 12_0: Resources")}
    same = plan([run], statuses, {run.name: attempt(run, run.sha256)}, 9)
    assert (list(same.live), same.refused) == ([run.name], {})
    other = plan([run], statuses, {run.name: attempt(run, "another")}, 9)
    assert other.live == {}
    assert other.refused[run.name].startswith("job 12_0: Resources, with another configuration;")
    assert "`boxseg cancel table3 --scale smoke`" in other.refused[run.name]


def test_arrays_have_equal_resources_and_are_not_too_large(tmp_path: Path) -> None:
    small = runs_of(tmp_path, seeds=5)  # ten
    large = runs_of(tmp_path, "launcher.memory=64G", seeds=2)  # four
    mixed = [run for pair in zip(small, large, strict=False) for run in pair] + small[4:]
    sizes = [[resources_of(run).memory for run in array] for array in arrays_of(mixed, 6)]
    assert sizes == [[None] * 6, [None] * 4, ["64G"] * 4]
    assert [run for array in arrays_of(mixed, 6) for run in array if run in small] == small
    assert list(arrays_of([], 6)) == []


def test_the_cluster_s_limit(slurm_commands: Commands) -> None:
    assert max_array_size() == 1001  # Slurm's usual limit, where it does not answer
    slurm_commands.says("scontrol", "MaxArrayTasks           = 4", "MaxArraySize            = 7")
    assert max_array_size() == 7


def test_a_dry_run_prints_the_script_and_submits_nothing(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    slurm_commands.says("scontrol", "MaxArraySize = 1")
    resources = ("partition=gpu", "account=vision", "gres=gpu:1", "time=600", "constraint=a100")
    more = ("cpus=4", "memory=32G", "qos=long", "setup=[module load cuda]", "warning=60")
    words = [f"launcher.{word}" for word in (*resources, *more)]
    runs = tmp_path / "runs"
    outcome = boxseg(
        *SMOKE, "--rows", "baseline", "--runs", runs, *words, "launcher.further={reservation: a b}"
    )
    assert (outcome.code, outcome.err) == (0, "")
    options = """--partition=gpu --account=vision --gres=gpu:1 --time=600 --constraint=a100
        --cpus-per-task=4 --mem=32G --qos=long --signal=USR2@60 --requeue --array=0-0%1
        --open-mode=append"""
    for option in [*options.split(), "--reservation='a b'"]:
        assert outcome.out.count(f"\n#SBATCH {option}\n") == 2, option
    assert outcome.out.count("\nmodule load cuda\n") == 2
    assert "wckey" not in outcome.out
    assert "  0: table3/baseline/3x/seed0" in outcome.out
    assert not (runs / "smoke" / ".slurm").exists()
    assert not any(call.startswith("sbatch") for call in slurm_commands.calls)


def test_equal_runs_of_two_tables_are_one_task(tmp_path: Path, slurm_commands: Commands) -> None:
    words = ("--rows", "baseline", "qam", "--columns", "1x", "--runs", tmp_path / "runs")
    outcome = boxseg(*SMOKE[:2], "table4", *SMOKE[2:], *words)
    assert (outcome.code, outcome.err) == (0, "")
    assert "\nArray of 2:\n  0: table3/baseline/1x/seed0\n  1: table3/qam/1x/seed0\n" in outcome.out
    assert "table4/qam/1x/seed0: same run as table3/qam/1x/seed0" in outcome.out


def test_resources_change_nothing_of_what_is_computed(tmp_path: Path) -> None:
    plain, other = runs_of(tmp_path)[0], runs_of(tmp_path, "launcher.partition=gpu")[0]
    assert plain.sha256 == other.sha256


def test_a_limit_of_parallel_jobs_makes_arrays_follow_one_another(
    tmp_path: Path, slurm_commands: Commands
) -> None:
    slurm_commands.says("scontrol", "MaxArraySize = 3")
    outcome = boxseg(*SMOKE, "--runs", tmp_path, "--max-parallel", "2")
    sizes = [line for line in outcome.out.splitlines() if line.startswith("#SBATCH --array")]
    assert [size.split("=")[1] for size in sizes] == ["0-2%2", "0-2%2", "0-1%2"]
    assert outcome.out.count("#SBATCH --dependency=afterany:") == 2
    free = boxseg(*SMOKE, "--runs", tmp_path)
    assert "--dependency" not in free.out
    assert free.out.count("#SBATCH --array=0-2%3") == 2


def test_each_job_takes_its_own_pickle_and_keeps_the_one_it_was_queued_again_with(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    resources = resources_of(runs_of(tmp_path)[0])
    script = ArrayExecutor(folder, "boxseg-0001-aaaaaaaa", resources, 2).script()
    setup = script.split("# setup\n")[1].split("\n\n")[0]
    (folder / "1.pkl").write_text("first")
    environment = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "1", "PATH": "/bin:/usr/bin"}
    for content in ("first", "second"):
        subprocess.run(["bash", "-ec", setup], check=True, env=environment)
        assert (folder / "12_1_submitted.pkl").read_text() == content
        (folder / "12_1_submitted.pkl").write_text("second")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("launcher.partitoin=gpu", "unknown key 'launcher.partitoin'"),
        ("launcher.time=1-00:00:00", "gives launcher.time a text where it is a number"),
        ("launcher.cpus=0", "launcher.cpus is 0; give a whole number from 1 to 1024"),
        ("launcher=nowhere", "there is no launcher 'nowhere'; choose one of slurm"),
        ("launcher.time=2", "launcher.time=2 (minutes) leaves no time before the warning"),
    ],
)
def test_resources_that_are_wrong(tmp_path: Path, word: str, said: str) -> None:
    assert said in boxseg(*SMOKE, "--runs", tmp_path, word).complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-parallel", "2"), "--max-parallel takes a positive number and goes with"),
        (("--launcher", "slurm", "--max-parallel", "0"), "--max-parallel takes a positive number"),
        (("--wait",), "--wait goes with --launcher slurm"),
        (("--launcher", "slurm", "--jobs", "2"), "--jobs takes a positive number and goes with"),
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    assert said in boxseg("reproduce", "table3", "--scale", "smoke", *words).complaint


def test_without_slurm_nothing_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = (*SMOKE[:-1], "--runs", tmp_path / "runs", "--rows", "baseline")
    for _ in range(2):
        outcome = boxseg(*words)
        assert "missing: Slurm: there is no sbatch here" in outcome.err
        assert "so nothing was submitted" in outcome.complaint
    outcome = boxseg("status", "table3", "--scale", "smoke", "--runs", tmp_path / "runs")
    assert " unknown " not in outcome.out


def test_slurm_s_refusal_is_handed_on(tmp_path: Path, slurm_commands: Commands) -> None:
    slurm_commands.fails("sbatch", "invalid partition specified: gpu")
    outcome = boxseg(*SMOKE[:-1], "--runs", tmp_path / "runs", "--rows", "baseline")
    assert outcome.complaint.startswith("Slurm refuses ")
    assert "invalid partition specified: gpu; " in outcome.complaint


def test_a_path_that_slurm_would_change(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whose path has a %"):
        ArrayExecutor(tmp_path / "50%", "n", resources_of(runs_of(tmp_path)[0]), 1)
