"""What one of several processes fails of, all of them fail of, and say so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch.distributed as dist
from detectron2.utils import comm
from torch._C._distributed_c10d import Store

from boxseg.engine.distributed import leave, shared_store
from boxseg.errors import InputError

_FAILURE = "failure"


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """Tell the other processes why this one fails, instead of leaving them to a broken connection.

    After a failure the processes part. Those that wait for this one learn of it when it ends.

    Raises:
        InputError: another process failed, with its reason if it left one.
    """
    if comm.get_world_size() == 1:
        yield
        return
    own, store = comm.get_rank(), shared_store()
    try:
        yield
    except Exception as error:
        reason = None
        if isinstance(error, dist.DistError) or "gloo" in str(error):  # a broken connection
            reason = _failure_of_another(store) or (
                "another process of this run was ended from outside; start it again."
            )
        elif store is not None:
            with contextlib.suppress(RuntimeError):  # the first process keeps it, and may be gone
                store.set(_FAILURE, f"process {own} of this run failed: {error}")
        leave()
        if reason is None:
            raise
        raise InputError(reason) from error


def _failure_of_another(store: Store | None) -> str | None:
    try:
        if store is None or not store.check([_FAILURE]):
            return None
        return str(store.get(_FAILURE).decode())
    except RuntimeError:
        return "the first process of this run failed; its log says why."
