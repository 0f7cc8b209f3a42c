"""Where a process stands among those of its run, read from its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from boxseg.errors import InputError

FIRST_PORT, PORTS = 20_000, 10_000
"""Ports of jobs whose launcher names none; below those that systems give to clients."""


@dataclass(frozen=True)
class Place:
    """One process among several.

    Attributes:
        rank: from 0.
        world_size: number of processes, at least 2.
        local_rank: number among the processes of this machine.
        address, port: where the first process waits for the others.
    """

    rank: int
    world_size: int
    local_rank: int
    address: str
    port: int


def place_in(environment: Mapping[str, str]) -> Place | None:
    """The place of this process, or None for a run of one process.

    What torchrun and submitit export comes first (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
    MASTER_PORT), then what srun sets (SLURM_PROCID, SLURM_LOCALID, SLURM_STEP_NUM_TASKS or
    SLURM_NTASKS, SLURM_STEP_NODELIST or SLURM_NODELIST). A batch script is a process of its own,
    however many tasks its job has room for.

    Raises:
        InputError: a variable is missing or no number, or the rank is not below the world size.
    """
    if "RANK" in environment or "WORLD_SIZE" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        address = environment.get("MASTER_ADDR", "127.0.0.1")
        port = _number(environment, "MASTER_PORT", "29500")
    elif "SLURM_PROCID" in environment and not _is_batch_script(environment):
        tasks = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
        names = ("SLURM_PROCID", tasks, "SLURM_LOCALID")
        nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST", "")
        address = environment.get("MASTER_ADDR") or first_host(nodes)
        job = _number(environment, "SLURM_JOB_ID", "0") + 97 * _number(
            environment, "SLURM_STEP_ID", "0"
        )
        port = _number(environment, "MASTER_PORT", str(FIRST_PORT + job % PORTS))
    else:
        return None
    rank, world_size = (_number(environment, name) for name in names[:2])
    if not 0 <= rank < world_size:
        raise InputError(
            f"the environment has {names[0]}={rank} and {names[1]}={world_size}; ranks go from 0 "
            "to the number of processes less one."
        )
    if world_size == 1:
        return None
    return Place(rank, world_size, _number(environment, names[2], str(rank)), address, port)


def first_host(nodes: str) -> str:
    """The first name of a Slurm node list: `gpu[03-05,9],cpu1` gives `gpu03`."""
    first = re.match(r"(?:[^,\[\]]|\[[^\]]*\])+", nodes)
    if first is None:
        return "127.0.0.1"
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0])


def _is_batch_script(environment: Mapping[str, str]) -> bool:
    """Whether this is the job's script itself and no step that srun started."""
    return "SLURM_JOB_ID" in environment and "SLURM_STEP_ID" not in environment


def _number(environment: Mapping[str, str], name: str, default: str | None = None) -> int:
    text = environment.get(name, default)
    if text is None or not text.isdecimal():
        found = "is missing" if text is None else f"is {text!r}"
        raise InputError(
            f"the environment tells of several processes, but {name} {found}; set it to a whole "
            "number, or start the processes with srun or torchrun."
        )
    return int(text)
