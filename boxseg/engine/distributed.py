"""Several processes that train one model: who they are, and what they tell each other.

One process per GPU, or several on CPUs. In a run of one process everything here is the identity
and touches no number, so callers need not ask how many there are.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from detectron2.utils import comm
from torch import Tensor
from torch._C._distributed_c10d import Store, TCPStore

from boxseg.engine.rendezvous import Place, place_in
from boxseg.errors import InputError

TIMEOUT = timedelta(hours=1)
"""How long a process waits for the others; the first one may generate or score data meanwhile."""

T = TypeVar("T")

_store: Store | None = None
_parted = False
"""Whether a failure has parted the processes. Those that still wait for this one learn of it by its
end alone, so it must not go on to anything that they would have a part in."""


def init_from_environment(environment: Mapping[str, str] | None = None) -> None:
    """Join the other processes of this run, if the environment tells of any.

    Gloo carries what is on the CPU and NCCL what is on GPUs; each process takes the GPU of its
    number on the machine. Called again, it does nothing.

    Args:
        environment: see `boxseg.engine.rendezvous.place_in`; that of this process by default.

    Raises:
        InputError: the environment contradicts itself, the others cannot be reached, or this
            process has parted from them.
    """
    place = place_in(os.environ if environment is None else environment)
    if place is None or dist.is_initialized():
        return
    if _parted:
        raise InputError(
            f"a run failed before this one, and its {place.world_size} processes cannot go on "
            "together; start the same command again."
        )
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    try:
        _join(place, backend)
    except (dist.DistError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"process {place.rank} of {place.world_size} cannot meet the others at "
            f"{place.address}:{place.port} ({reason}); set MASTER_ADDR and MASTER_PORT to an "
            "address of the first one and a free port."
        ) from None


def _join(place: Place, backend: str) -> None:
    global _store
    _store = TCPStore(
        place.address, place.port, place.world_size, is_master=place.rank == 0, timeout=TIMEOUT
    )
    dist.init_process_group(
        backend, store=_store, rank=place.rank, world_size=place.world_size, timeout=TIMEOUT
    )
    atexit.register(leave)


def leave() -> None:
    """Part from the other processes for good; in a run of one process, nothing."""
    global _store, _parted
    if dist.is_initialized():
        dist.destroy_process_group()
        _parted = True
    _store = None
    atexit.unregister(leave)


def shared_store() -> Store | None:
    """Short texts by name, which the first process keeps for all; None in a run of one process."""
    return _store


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Sum over all processes, without gradient; the tensor itself in one process."""
    if comm.get_world_size() == 1:
        return tensor
    total = tensor.detach().clone()
    dist.all_reduce(total)
    return total


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Mean over all processes, without gradient; the tensor itself in one process."""
    return tensor if comm.get_world_size() == 1 else sum_over_ranks(tensor) / comm.get_world_size()


def shared_divisor(
    amount: int | Tensor, least: float, device: torch.device | None = None
) -> float | Tensor:
    """What a process's sum is divided by so that the processes' mean is the whole batch's mean.

    With S the sum of `amount` over all processes, max(S, least) / processes: the gradients of the
    processes are averaged, so two processes with half a batch each do what one does with the whole.
    Published code divides by max(S / processes, 1), which differs for batches with fewer positives
    than processes.

    Args:
        amount: of this process: a count, or the sum of weights (a scalar tensor).
        least: lower limit of the sum over all processes.
        device: of the loss; needed for a count.
    """
    if comm.get_world_size() == 1:
        return amount.clamp(min=least) if isinstance(amount, Tensor) else max(amount, least)
    whole = amount if isinstance(amount, Tensor) else torch.tensor(float(amount), device=device)
    return sum_over_ranks(whole).clamp(min=least) / comm.get_world_size()


def any_over_ranks(flag: bool) -> bool:
    """Whether it holds in any process."""
    return bool(sum_over_ranks(torch.tensor(float(flag)))) if comm.get_world_size() > 1 else flag


def mean_by_name(scalars: Mapping[str, float]) -> dict[str, float]:
    """Means of logged numbers over the processes that have them; names in order of appearance."""
    found: dict[str, list[float]] = {}
    for one in comm.all_gather(dict(scalars)):
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def on_first_rank(function: Callable[[], T]) -> T:
    """What `function` gives in the first process, which alone calls it, in every process.

    Raises:
        InputError: in every process, if the first one's call raised it.
    """
    if comm.get_world_size() == 1:
        return function()
    answer: list[Any] = [None, None]
    if comm.is_main_process():
        try:
            answer[0] = function()
        except InputError as error:
            answer[1] = str(error)
    dist.broadcast_object_list(answer)
    if answer[1] is not None:
        raise InputError(answer[1])
    return answer[0]


@contextlib.contextmanager
def first_rank_first() -> Iterator[None]:
    """Let the first process go through the block, making files, say, before the others do."""
    if not comm.is_main_process():
        comm.synchronize()
    try:
        yield
    finally:
        if comm.is_main_process():
            comm.synchronize()
