"""The endless, reproducible order in which training images are drawn.

Draw number n of a seed is always the same image with the same augmentation, whatever was drawn
before it and in whatever process. A resumed run starts at the draw where it was stopped and needs
no state of a loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data.common import DatasetFromList
from torch.utils.data import DataLoader, Dataset

from boxseg.data.batches import Batch
from boxseg.data.mapper import TrainingMapper
from boxseg.errors import InputError

_ORDER, _AUGMENTATION = 0, 1


class Draws(Dataset[dict[str, Any]]):
    """Draw n: shuffled passes over the records, each record augmented anew.

    Args:
        records: see `boxseg.data.records.load_records`.
        mapper: augments a record with the draw's own generator.
        seed: of order and augmentation.
    """

    def __init__(
        self, records: Sequence[dict[str, Any]], mapper: TrainingMapper, seed: int
    ) -> None:
        self.records = DatasetFromList(list(records), copy=False)
        self.mapper = mapper
        self.seed = seed
        self._pass = -1
        self._order = np.zeros(0, dtype=np.int64)

    def record_index(self, draw: int) -> int:
        """Which record draw number `draw` (from 0) takes."""
        number, position = divmod(draw, len(self.records))
        if number != self._pass:
            rng = np.random.default_rng([self.seed, _ORDER, number])
            self._pass, self._order = number, rng.permutation(len(self.records))
        return int(self._order[position])

    def __getitem__(self, draw: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, _AUGMENTATION, draw])
        return self.mapper(self.records[self.record_index(draw)], rng)


def training_batches(
    records: Sequence[dict[str, Any]],
    mapper: TrainingMapper,
    seed: int,
    batch_size: int,
    first_batch: int,
    batches: int,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
    device: torch.device | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Batches number `first_batch` (from 0) up to, but not including, `batches`.

    Several processes share each batch: one after the other they take equal parts of its draws, so
    the images of a step and their augmentation do not depend on how many processes there are.

    Args:
        records: images to train on; those without a box are left out, as usual.
        mapper, seed: see `Draws`.
        batch_size: images per batch, of all processes together.
        workers: loader processes; 0 loads in this one. The batches are the same.
        rank, ranks: of this process, from 0, and how many there are.
        device: that the batches go to; for a GPU they are given in page-locked memory.

    Raises:
        InputError: no image has a box, or a batch cannot be shared equally.
    """
    share, left_over = divmod(batch_size, ranks)
    if left_over:
        raise InputError(
            f"a batch of {batch_size} images cannot be shared equally among {ranks} processes; set "
            f"solver.batch_size to a multiple of {ranks}, or start fewer processes."
        )
    with_boxes = [record for record in records if record["annotations"]]
    if not with_boxes:
        raise InputError(
            "none of the training images has a usable box; check the annotations with "
            "`boxseg data check`."
        )
    draws = Draws(with_boxes, mapper, seed)
    loader: DataLoader[Any] = DataLoader(
        draws,
        batch_sampler=[
            list(range(batch * batch_size + rank * share, batch * batch_size + (rank + 1) * share))
            for batch in range(first_batch, batches)
        ],
        num_workers=workers,
        collate_fn=Batch if workers == 0 else _shared,
        pin_memory=device is not None and device.type == "cuda",
        # Without one of its own, the loader would draw from the global generator, and a resumed run
        # would draw once more often than one never stopped.
        generator=torch.Generator().manual_seed(seed),
    )
    return iter(loader) if workers == 0 else _told(loader, workers)


def _shared(items: list[dict[str, Any]]) -> Batch:
    """A batch in a process of the loader's."""
    return Batch(items).share_memory()


def _told(loader: DataLoader[Any], workers: int) -> Iterator[list[dict[str, Any]]]:
    """The batches of a loader with processes of its own, whose end is told in a sentence."""
    try:
        yield from loader
    except InputError as error:  # with the traceback of the process that it was raised in
        reason = str(error).strip().splitlines()[-1]
        raise InputError(reason.removeprefix(f"{InputError.__module__}.InputError: ")) from None
    except RuntimeError as error:
        text = str(error)
        ended = re.search(r"DataLoader worker \(pid\(?s?\)? [\d, ]+\).*", text)
        if ended is None and "shared memory" not in text:
            raise
        if ended is None or "Bus error" in text or "shm" in text:
            raise InputError(
                f"the {workers} processes that load images ran out of shared memory (/dev/shm); "
                "give it more (in containers --shm-size=1g, --ipc=host), or set workers=0 to load "
                "without them."
            ) from None
        raise InputError(
            f"a process that loads images was ended from outside ({ended[0].rstrip('. ')}); if it "
            f"was for want of memory, set workers to fewer than {workers}, and start again: the "
            "run goes on from its last checkpoint."
        ) from None
