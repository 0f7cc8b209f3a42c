"""Where a process stands among those of its run, by its environment."""

from __future__ import annotations

import pytest

from boxseg.engine.rendezvous import Place, first_host, place_in
from boxseg.errors import InputError

STEP = {
    "SLURM_JOB_ID": "812",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_NODELIST": "gpu[03-04]",
    "SLURM_STEP_NODELIST": "gpu04",
}


def test_no_environment_of_several_processes() -> None:
    assert place_in({}) is None
    assert place_in({"RANK": "0", "WORLD_SIZE": "1"}) is None
    assert place_in(STEP | {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) is None


def test_what_torchrun_and_submitit_export() -> None:
    exported = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
    exported |= {"MASTER_ADDR": "gpu03", "MASTER_PORT": "4711"}
    assert place_in(exported) == Place(5, 8, 1, "gpu03", 4711)
    assert place_in(STEP | exported) == Place(5, 8, 1, "gpu03", 4711)
    assert place_in({"RANK": "1", "WORLD_SIZE": "2"}) == Place(1, 2, 1, "127.0.0.1", 29500)


def test_what_srun_sets() -> None:
    # The step's four tasks, not the eight that the job has room for; 20000 + 812.
    assert place_in(STEP) == Place(3, 4, 1, "gpu04", 20812)
    without_step = {k: v for k, v in STEP.items() if k not in ("SLURM_JOB_ID", "SLURM_STEP_ID")}
    del without_step["SLURM_STEP_NUM_TASKS"], without_step["SLURM_STEP_NODELIST"]
    assert place_in(without_step) == Place(3, 8, 1, "gpu03", 20000)
    other_step = place_in(STEP | {"SLURM_STEP_ID": "1"})
    assert other_step is not None and other_step.port != 20812


def test_a_batch_script_is_one_process() -> None:
    script = {"SLURM_JOB_ID": "812", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"}
    assert place_in(script) is None


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu04", "gpu04"),
        ("gpu04,gpu07", "gpu04"),
        ("gpu[03-05,9],cpu1", "gpu03"),
        ("gpu[9]", "gpu9"),
        ("rack[2-3]node[07,9]", "rack2node07"),
        ("a-b,c", "a-b"),
        ("", "127.0.0.1"),
    ],
)
def test_the_first_host_of_a_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RANK": "0"}, "WORLD_SIZE is missing"),
        ({"WORLD_SIZE": "2"}, "RANK is missing"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK is 'one'"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 and WORLD_SIZE=2"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": ""}, "MASTER_PORT is ''"),
        (STEP | {"SLURM_PROCID": "4"}, "SLURM_PROCID=4 and SLURM_STEP_NUM_TASKS=4"),
    ],
)
def test_contradictions_are_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        place_in(environment)
