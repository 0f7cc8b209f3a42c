"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from detectron2.utils import comm
from torch import nn

from boxseg.data.trained_on import TrainedOn
from boxseg.errors import InputError
from boxseg.files import atomic_path

FORMAT = 1
FOREIGN = (
    "use one that `boxseg train` wrote, or convert a published one with `boxseg weights import`"
)
"""What to do about a file that is no checkpoint of this suite."""
_EXTRA_STATE = "_extra_state"  # PyTorch's name for what `get_extra_state` gives
CONTENT = frozenset(
    ("format", "iteration", "config_sha256", "seconds", "model", "optimizer", "scheduler", "random")
)


def random_states() -> dict[str, Any]:
    """States of the global generators, as tensors and plain values only."""
    name, keys, position, has_gauss, cached = cast(Any, np.random.get_state(legacy=True))
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put the global generators into the states that `random_states` gave."""
    torch.set_rng_state(states["torch"])
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


def _own_states(model: nn.Module) -> dict[str, Any]:
    """What each process has for itself: generators, and what modules keep beside their tensors."""
    extra = {k: v for k, v in model.state_dict().items() if k.endswith(_EXTRA_STATE)}
    return {"random": random_states(), "extra": extra}


def part_of_this_rank(
    content: dict[str, Any], model: nn.Module
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a process takes from a checkpoint: the model's state and that of its generators.

    All processes share the model's tensors. Its memories, such as the bank of copy-paste, and the
    generators are each process's own; one that was not there when the checkpoint was written keeps
    those it has, and gets None for the generators.

    Args:
        content: see `read_checkpoint`.
        model: of this process.
    """
    if comm.is_main_process():
        return content["model"], content["random"]
    others = content.get("other_ranks", [])
    if comm.get_rank() > len(others):
        return {**content["model"], **_own_states(model)["extra"]}, None
    own = others[comm.get_rank() - 1]
    return {**content["model"], **own["extra"]}, own["random"]


def checkpoint_content(
    model: nn.Module,
    iteration: int,
    config_sha256: str,
    seconds: float,
    optimizer: torch.optim.Optimizer | None = None,
    scheduler: Any = None,
    config_yaml: str | None = None,
    trained_on: TrainedOn | None = None,
    scores: Mapping[str, float | None] | None = None,
) -> memoryview | None:
    """What a checkpoint's file holds, on the host: nothing of it changes any more.

    All processes of a run call it together, and give the first one what is each one's own.

    Args:
        model: its whole state dict is kept.
        iteration: steps done.
        config_sha256: of the run's configuration.
        seconds: spent on the run so far.
        optimizer, scheduler: for resuming.
        config_yaml: the configuration itself, for a checkpoint without a run's directory.
        trained_on: what the model's classes mean.
        scores: that it was kept for.

    Returns:
        The bytes; None in all processes but the first.
    """
    states = comm.gather(_own_states(model))
    if not comm.is_main_process():
        return None
    content = {
        "format": FORMAT,
        "iteration": iteration,
        "config_sha256": config_sha256,
        "seconds": seconds,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict() if optimizer else None,
        "scheduler": scheduler.state_dict() if scheduler else None,
        "random": states[0]["random"],
        "other_ranks": states[1:],
        "config_yaml": config_yaml,
        "trained_on": None if trained_on is None else trained_on.content(),
        "scores": None if scores is None else dict(scores),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getbuffer()


def write_checkpoint(file: Path, content: memoryview | None) -> None:
    """Write a checkpoint, whole or not at all; the previous one stays until the new one is whole.

    Args:
        file: to replace.
        content: see `checkpoint_content`; where it is None another process writes.

    Raises:
        InputError: the file cannot be written (no space left, for one).
    """
    if content is not None:
        with atomic_path(file) as temporary:
            temporary.write_bytes(content)


class CheckpointWriter:
    """Writes checkpoints while the training goes on, one at a time: no step waits for a disk.

    At the end of its block everything is written.

    Args:
        file: that every checkpoint replaces.

    Attributes:
        written: steps of the last checkpoint that was written; None if there was none.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written: int | None = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: tuple[int, Future[None]] | None = None

    def write(self, iteration: int, content: memoryview | None) -> None:
        """Start to write a checkpoint once the one before is written.

        Args:
            iteration: its steps.
            content: see `checkpoint_content`.

        Raises:
            InputError: the one before could not be written.
        """
        self.wait()
        self._writing = iteration, self._thread.submit(write_checkpoint, self.file, content)

    def wait(self) -> None:
        """Until nothing is being written.

        Raises:
            InputError: what was being written could not be.
        """
        if self._writing is None:
            return
        iteration, future = self._writing
        futures.wait([future])
        self._writing = None
        future.result()
        self.written = iteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()  # waits
        if kind is None:
            self.wait()


def read_saved(file: Path, remedy: str) -> Any:
    """Read what `torch.save` wrote of tensors and plain values.

    Args:
        file: that is read.
        remedy: what to do about a file that cannot be read, an imperative.

    Raises:
        InputError: it is missing, truncated, or holds something else.
    """
    if not file.is_file():
        raise InputError(f"checkpoint {file} does not exist; check the path.")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        raise InputError(
            f"checkpoint {file} cannot be read ({type(error).__name__}: it is truncated or no "
            f"checkpoint); {remedy}."
        ) from None


def read_state_dict(file: Path) -> dict[str, Any]:
    """Read a file that `torch.save` wrote of a module's state dict.

    Raises:
        InputError: it is missing, truncated, or holds something else.
    """
    content = read_saved(file, "restore it")
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise InputError(f"{file} holds no state dict (names and tensors); use one.")
    return content


def read_checkpoint(file: Path, remedy: str = FOREIGN) -> dict[str, Any]:
    """Read a checkpoint of `write_checkpoint`.

    Args:
        file: of the checkpoint.
        remedy: what to do about a file that cannot be read, an imperative.

    Raises:
        InputError: it is missing, truncated, or not a checkpoint of this suite.
    """
    content = read_saved(file, remedy)
    whole = isinstance(content, dict) and content.keys() >= CONTENT
    if not whole or content["format"] != FORMAT:
        raise InputError(f"{file} is not a checkpoint of this suite's format {FORMAT}; {FOREIGN}.")
    return content


def load_model_state(model: nn.Module, state: dict[str, Any], file: Path) -> None:
    """Copy a checkpoint's tensors into a model.

    Raises:
        InputError: names or shapes differ: the checkpoint is of another architecture.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state]
    left_over = [name for name in state if name not in own]
    reshaped = [
        n for n, t in state.items() if torch.is_tensor(t) and n in own and own[n].shape != t.shape
    ]
    if missing or left_over or reshaped:
        example = (reshaped or missing or left_over)[0]
        raise InputError(
            f"checkpoint {file} is of another architecture: {len(missing)} tensors missing, "
            f"{len(left_over)} left over, {len(reshaped)} of another shape (first: {example}); "
            "use the configuration it was trained with."
        )
    model.load_state_dict(state)
