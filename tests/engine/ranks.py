"""Several processes on this machine that talk to each other, for the tests."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from queue import Empty
from typing import Any

import torch


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _one_rank(function: Callable[[], Any], environment: dict[str, str], answers: Any) -> None:
    from boxseg.engine.distributed import init_from_environment, leave

    torch.set_num_threads(1)
    os.environ.update(environment)
    rank = int(environment["RANK"])
    try:
        init_from_environment()
        answers.put((rank, function(), None))
        leave()
    except BaseException:
        answers.put((rank, None, traceback.format_exc()))
        raise


def in_ranks(function: Callable[[], Any], ranks: int = 2) -> list[Any]:
    """What a function of a module gives in each of several processes, in order of rank."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        context.Process(
            target=_one_rank,
            args=(function, common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, answers),
        )
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    try:
        found = dict[int, Any]()
        for _ in processes:
            rank, value, error = answers.get(timeout=300)
            assert error is None, f"rank {rank}: {error}"
            found[rank] = value
    except Empty:
        raise AssertionError("the processes do not come to an end") from None
    finally:
        for process in processes:
            process.join(timeout=20)
            process.kill()
    return [found[rank] for rank in range(ranks)]
