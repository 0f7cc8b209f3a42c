"""The training of a run: what is trained, where it goes on from, what happens around its steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from detectron2.utils import comm
from torch import nn

from boxseg.data.draws import training_batches
from boxseg.data.image_reader import ImageReader
from boxseg.data.trained_on import TrainedOn
from boxseg.engine.best_checkpoint import BestCheckpoint, Scores, scores_sentence
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
from boxseg.engine.hooks import MetricWriter, Periodically, Progress, StepClock, StepMetrics
from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.signals import SaveOnSignal
from boxseg.engine.step_log import StepLog
from boxseg.engine.trainer import DivergedError, StepTrainer
from boxseg.errors import InputError
from boxseg.files import write_json_atomically
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.fine_tuning import start_from_checkpoint
from experiments.run.initial_weights import load_initial_weights
from experiments.run.interval_evaluation import IntervalEvaluation

from detectron2.engine.hooks import LRScheduler  # isort: skip

logger = logging.getLogger(__name__)


@dataclass
class Training:
    """What is trained, and how far it is.

    Attributes:
        model, optimizer, scheduler: built from the configuration, or gone on with.
        directory: of the run.
        digest: the configuration's hash.
        first: steps done when this process started.
        seconds_before: spent on them.
        clock: `time.perf_counter` when this process started on the run.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    directory: RunDirectory
    digest: str
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
    classes: Sequence[str],
) -> Training:
    """Build what is trained; where the run's directory has a checkpoint, go on from there.

    Args:
        config, digest: of the run.
        directory: its own.
        device: to train on.
        clock: see `Training`.
        classes: names of the model's classes, in their order.

    Raises:
        InputError: something cannot be built, or a checkpoint does not go with the run.
    """
    # One process looks: a network's file systems may show a file to some and not yet to others.
    resumes = on_first_rank(directory.checkpoint.exists)
    model = _built(config, None if resumes else classes, directory)
    model = model.to(device).to(memory_format=torch.channels_last)
    optimizer = build(config.solver.optimizer, config.packages)(model)
    scheduler = build(config.solver.learning_rate_schedule, config.packages)(optimizer)
    training = Training(model, optimizer, scheduler, directory, digest, 0, 0.0, clock)
    if resumes:
        _resume(training, config)
    if comm.is_main_process():
        _forget_what_is_done_again(directory, training.first)
    return training


def _forget_what_is_done_again(directory: RunDirectory, first: int) -> None:
    last = int(StepLog(directory.metrics).last().get("iteration", 0))
    if last > first:
        logger.info("steps %d to %d were not saved, so they are done again", first + 1, last)
    for file in (directory.metrics, directory.evaluations):
        StepLog(file).forget_after(first)
    if first == 0:
        directory.best_checkpoint.unlink(missing_ok=True)


def _built(
    config: RunConfiguration, classes: Sequence[str] | None, directory: RunDirectory
) -> nn.Module:
    """The model: of equal weights in all processes, and random choices of its own in each.

    Args:
        config: of the run.
        classes: of a model that starts now; None for one whose weights are in the run's checkpoint.
        directory: where a start from another checkpoint is recorded.
    """
    own_seed = seed_of_rank(config.seed, comm.get_rank())
    model: nn.Module = build(config.with_seed(own_seed).model, config.packages)
    if config.start_from is None:
        load_initial_weights(model, config)
    elif classes is not None:
        started = start_from_checkpoint(model, config, classes)
        on_first_rank(lambda: write_json_atomically(directory.start, started))
    if not comm.is_main_process():
        seed_generators(own_seed)
    return model


def _resume(training: Training, config: RunConfiguration) -> None:
    directory = training.directory
    content = read_checkpoint(
        directory.checkpoint, "delete it to start this run again, or restore it"
    )
    state, generators = part_of_this_rank(content, training.model)
    load_model_state(training.model, state, directory.checkpoint)
    if content["config_sha256"] != training.digest:
        raise InputError(
            f"checkpoint {directory.checkpoint} was trained with another configuration; "
            "delete it to start this run again, or restore its own."
        )
    if content["optimizer"] is None:
        raise InputError(
            f"checkpoint {directory.checkpoint} was kept to be evaluated, without what a training "
            "goes on with; restore the run's own, or delete it to start this run again."
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
    reader: ImageReader,
    precision: torch.dtype,
    title: str,
    evaluation: IntervalEvaluation | None,
    writers: Sequence[MetricWriter],
) -> None:
    """Train to the last step, if there is any left.

    Args:
        records: of the images to train on.
        trained_on: what the checkpoints are to remember of their annotations.
        title: of the progress bar.
        evaluation: to look with while training, if at all.
        writers: that take what is logged, besides the run's log.

    Raises:
        InputError: a file cannot be read or written.
        DivergedError: a loss became infinite or NaN; the message names the last good checkpoint.
    """
    first, last, accumulate = training.first, config.solver.iterations, config.solver.accumulate
    if first >= last:
        return
    model, optimizer, scheduler = training.model, training.optimizer, training.scheduler
    directory, digest = training.directory, training.digest
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
    clock = StepClock()

    content = partial(checkpoint_content, model, config_sha256=digest, trained_on=trained_on)
    with (
        CheckpointWriter(directory.checkpoint) as writer,
        CheckpointWriter(directory.best_checkpoint) as best_writer,
    ):

        def save(iteration: int) -> None:
            state = content(
                iteration=iteration,
                seconds=training.seconds,
                optimizer=optimizer,
                scheduler=scheduler,
            )
            writer.write(iteration, state)

        def save_now(iteration: int) -> None:
            save(iteration)
            writer.wait()

        if comm.is_main_process():  # before the scheduler's: it logs the rate of the step just done
            log = StepLog(directory.metrics)
            trainer.register_hooks([StepMetrics([log, *writers], config.log_period, clock)])
        trainer.register_hooks([LRScheduler(optimizer, scheduler)])
        if evaluation is not None:

            def content_of_best(iteration: int, scores: Scores) -> memoryview | None:
                return content(iteration=iteration, seconds=training.seconds, scores=scores)

            kept = on_first_rank(lambda: evaluation.scores_kept(directory.best_checkpoint, digest))
            best = BestCheckpoint(best_writer, content_of_best, kept)
            look = partial(_look, model, evaluation, best, clock, title)
            # Before the checkpoint's: what a run goes on from has its evaluation on record.
            trainer.register_hooks([Periodically(look, config.evaluation_period)])
        trainer.register_hooks(
            [Periodically(save, config.checkpoint_period), SaveOnSignal(save_now)]
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
    if evaluation is not None and best.scores is not None:
        logger.info(
            "%s: the best, with %s, is kept in %s; the result is that of the last, %s",
            title,
            scores_sentence(best.scores),
            directory.best_checkpoint,
            directory.checkpoint,
        )


def _look(
    model: nn.Module,
    evaluation: IntervalEvaluation,
    best: BestCheckpoint,
    clock: StepClock,
    title: str,
    iteration: int,
) -> None:
    """Score the model in the middle of its training, keep it if it is the best, and say so."""
    with clock.stopped():
        scores = evaluation(model, iteration)
        kept = best.offer(iteration, scores)
    where = f"; the best so far, kept in {best.writer.file}" if kept else ""
    logger.info("%s: step %d: %s%s", title, iteration, scores_sentence(scores), where)
