"""The training of a run: what is trained, where it goes on from, what happens around its steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from detectron2.utils import comm
from torch import nn

from boxseg.data.draws import training_batches
from boxseg.data.image_reader import ImageReader
from boxseg.data.trained_on import TrainedOn
from boxseg.engine.checkpoint import (
    CheckpointWriter,
    checkpoint_content,
    load_model_state,
    part_of_this_rank,
    read_checkpoint,
    restore_random_states,
)
from boxseg.engine.determinism import seed_generators, seed_of_rank
from boxseg.engine.distributed import on_first_rank
from boxseg.engine.hooks import Checkpointer, MetricsWriter, Progress
from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.signals import SaveOnSignal
from boxseg.engine.trainer import DivergedError, StepTrainer
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.initial_weights import load_initial_weights

from detectron2.engine.hooks import LRScheduler  # isort: skip

logger = logging.getLogger(__name__)


@dataclass
class Training:
    """What is trained, and how far it is.

    Attributes:
        model, optimizer, scheduler: built from the configuration, or gone on with.
        first: steps done when this process started.
        seconds_before: spent on them.
        clock: `time.perf_counter` when this process started on the run.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    first: int
    seconds_before: float
    clock: float

    @property
    def seconds(self) -> float:
        """Spent on the run so far."""
        return self.seconds_before + time.perf_counter() - self.clock


def begin(
    config: RunConfiguration,
    directory: RunDirectory,
    digest: str,
    device: torch.device,
    clock: float,
) -> Training:
    """Build what is trained; where the run's directory has a checkpoint, go on from there.

    Raises:
        InputError: something cannot be built, or the checkpoint is of another run.
    """
    model = _built(config).to(device).to(memory_format=torch.channels_last)
    optimizer = build(config.solver.optimizer, config.packages)(model)
    scheduler = build(config.solver.learning_rate_schedule, config.packages)(optimizer)
    training = Training(model, optimizer, scheduler, 0, 0.0, clock)
    # One process looks: a network's file systems may show a file to some and not yet to others.
    if on_first_rank(directory.checkpoint.exists):
        _resume(training, config, directory, digest)
    if comm.is_main_process():
        MetricsWriter.forget_after(directory.metrics, training.first)
    return training


def _built(config: RunConfiguration) -> nn.Module:
    """The model: of equal weights in all processes, and random choices of its own in each."""
    own_seed = seed_of_rank(config.seed, comm.get_rank())
    model: nn.Module = build(config.with_seed(own_seed).model, config.packages)
    load_initial_weights(model, config)
    if not comm.is_main_process():
        seed_generators(own_seed)
    return model


def _resume(
    training: Training, config: RunConfiguration, directory: RunDirectory, digest: str
) -> None:
    content = read_checkpoint(directory.checkpoint)
    state, generators = part_of_this_rank(content, training.model)
    load_model_state(training.model, state, directory.checkpoint)
    if content["config_sha256"] != digest:
        raise InputError(
            f"checkpoint {directory.checkpoint} was trained with another configuration; "
            "delete it to start this run again, or restore its own."
        )
    training.optimizer.load_state_dict(content["optimizer"])
    training.scheduler.load_state_dict(content["scheduler"])
    training.first, training.seconds_before = content["iteration"], content["seconds"]
    if generators is not None:
        restore_random_states(generators)
    last = config.solver.iterations
    logger.info("resuming %s at step %d of %d", directory.path, training.first, last)


def train(
    training: Training,
    config: RunConfiguration,
    records: Sequence[dict[str, Any]],
    trained_on: TrainedOn,
    directory: RunDirectory,
    digest: str,
    reader: ImageReader,
    precision: torch.dtype,
    title: str,
) -> None:
    """Train to the last step, if there is any left.

    Args:
        records: of the images to train on.
        trained_on: what the checkpoints are to remember of their annotations.
        title: of the progress bar.

    Raises:
        InputError: a file cannot be read or written.
        DivergedError: a loss became infinite or NaN; the message names the last good checkpoint.
    """
    first, last, accumulate = training.first, config.solver.iterations, config.solver.accumulate
    if first >= last:
        return
    model, optimizer, scheduler = training.model, training.optimizer, training.scheduler
    batches = training_batches(
        records,
        build(config.mapper, config.packages, reader=reader),
        config.seed,
        config.solver.batch_size,
        first * accumulate,
        last * accumulate,
        config.workers,
        comm.get_rank(),
        comm.get_world_size(),
        model.device,  # type: ignore[arg-type]
    )
    model.train()
    trainer = StepTrainer(model, optimizer, batches, precision, accumulate, config.solver.clip_norm)
    if comm.is_main_process():  # before the scheduler's: it logs the rate of the step just done
        trainer.register_hooks([MetricsWriter(directory.metrics, config.log_period)])
    with CheckpointWriter(directory.checkpoint) as writer:

        def save(iteration: int) -> None:
            seconds = training.seconds
            writer.write(
                iteration,
                checkpoint_content(
                    model,
                    iteration,
                    digest,
                    seconds,
                    optimizer,
                    scheduler,
                    trained_on=trained_on,
                ),
            )

        def save_now(iteration: int) -> None:
            save(iteration)
            writer.wait()

        trainer.register_hooks(
            [
                LRScheduler(optimizer, scheduler),
                Checkpointer(save, config.checkpoint_period),
                SaveOnSignal(save_now),
            ]
        )
        if comm.is_main_process():
            trainer.register_hooks([Progress(title)])
        try:
            trainer.train(first, last)
        except DivergedError as error:
            writer.wait()
            saved = writer.written or first
            good = f"{directory.checkpoint} of step {saved}" if saved else "none was saved yet"
            raise DivergedError(f"{error}; last good checkpoint: {good}") from None
