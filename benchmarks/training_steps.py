"""Training steps of a method as a run does them, timed in the process that does them."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.convolutions import ConvolutionRecorder
from benchmarks.layouts import Layout
from benchmarks.settings import Work, words_of
from tools.read_backs import ReadBacks

RECORDS = "records.pickle"
LONG_AFTER_WARMUP = 10**6
"""Iterations done before the first one here: every loss and the copy-paste are warmed up."""

WARM_UP = 3
LOGGED = ("pseudo_valid_share", "pseudo_candidates", "copy_paste_pastes", "total_loss")


def prepare(layout: Layout, work: Work, method: str, folder: Path) -> dict[str, float]:
    """Write what all sides are given: records, and weights of the method.

    Returns:
        `candidates`, of an image.
    """
    # They import boxseg, which has to wait until the checkout is chosen.
    from benchmarks.synthetic import records_of
    from benchmarks.trained_like import fit_predictions

    torch.manual_seed(0)
    records = records_of(work.size, work.size, work.objects, work.batch)
    model = layout.build(layout.compose(words_of(work, method, "float32")).model)
    student = _networks(model)[0]
    candidates = fit_predictions(student, records)
    torch.save(student.state_dict(), folder / f"{method}.pt")
    (folder / RECORDS).write_bytes(pickle.dumps(records))
    return {"candidates": candidates}


def _networks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Student and teacher of a teacher-student step, or the model itself."""
    parts = dict(model.named_children())
    return [parts[name] for name in ("student", "teacher") if name in parts] or [model]


class TrainingSteps:
    """The steps of one method: the trainer's, deterministic as in a run, always on the same batch.

    Args:
        layout: of the checkout.
        work, method, precision: what is trained.
        device: as on the command line of a run.
        folder: that `prepare` wrote into.
    """

    def __init__(
        self, layout: Layout, work: Work, method: str, precision: str, device: str, folder: Path
    ) -> None:
        from boxseg.engine.precision import chosen_precision
        from boxseg.engine.trainer import StepTrainer

        config = layout.compose(words_of(work, method, precision))
        self.device = torch.device(device)
        layout.prepare_device(config.seed, self.device)
        model = layout.build(config.model)
        state = torch.load(folder / f"{method}.pt", mmap=True, weights_only=True)
        for network in _networks(model):
            network.load_state_dict(state)
        model = model.to(self.device).to(memory_format=torch.channels_last)
        optimizer = layout.build(config.solver.optimizer)(model)
        mapper = layout.build(config.mapper, reader=lambda record: record["pixels"])
        rng = np.random.default_rng(0)
        records = pickle.loads((folder / RECORDS).read_bytes())
        self.batch = [mapper(record, rng) for record in records]
        self.trainer = StepTrainer(
            model.train(),
            optimizer,
            itertools.repeat(self.batch),
            chosen_precision(config.solver.precision, self.device),
            clip_norm=config.solver.clip_norm,
        )
        self.trainer.iter = LONG_AFTER_WARMUP
        self.logged: list[dict[str, float]] = []
        self.convolutions: ConvolutionRecorder | None = None
        for _ in range(WARM_UP):
            self._step()
        self.peak = self._peak_memory()
        self.logged.clear()

    def answers(self) -> dict[str, Callable[..., Any]]:
        """What the process does when it is told to; see `benchmarks.child`."""
        return {
            "steps": self.steps,
            "floor": self.floor,
            "memory": lambda: self.peak,
            "read_backs": self.read_backs,
            "inputs": self.inputs,
            "means": self.means,
        }

    def steps(self, count: int, untimed: int) -> dict[str, float]:
        """Seconds per step: `cpu`, of all threads of this process, and `wall`."""
        for _ in range(untimed):
            self._step()
        return self._timed(self._step, count)

    def floor(self, count: int) -> dict[str, float]:
        """The same of its convolutions and products alone, in nothing but their own memory."""
        if self.convolutions is None:
            self.convolutions = ConvolutionRecorder()
            with self.convolutions:
                self._step()
            self.convolutions.replay()
        filling = torch.utils.deterministic.fill_uninitialized_memory
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            return self._timed(self.convolutions.replay, count)
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = filling

    def read_backs(self) -> int:
        """Operations of a step that wait for the device and read from it."""
        with ReadBacks() as found:
            self._step()
        return found.total

    def inputs(self) -> str:
        """Hash of images, boxes and classes: all sides have to say the same."""
        digest = hashlib.sha256()
        for x in self.batch:
            objects = x["instances"]
            for tensor in (x["image"], objects.gt_boxes.tensor, objects.gt_classes):
                digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def means(self) -> dict[str, float]:
        """Means over all steps since the warm-up of what a run logs."""
        names = [name for name in LOGGED if name in self.logged[-1]]
        return {n: float(np.mean([step[n] for step in self.logged if n in step])) for n in names}

    def _step(self) -> None:
        self.trainer.run_step()
        self.trainer.iter += 1
        self.logged.append(self.trainer.scalars)

    def _timed(self, work: Callable[[], None], count: int) -> dict[str, float]:
        self._synchronise()
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            work()
        self._synchronise()
        return {
            "cpu": (time.process_time() - cpu) / count,
            "wall": (time.perf_counter() - wall) / count,
        }

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _peak_memory(self) -> float:
        """GB (2^30 bytes): of the device's tensors, or of this process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
