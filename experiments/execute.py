"""One run, from its configuration to its result: data, model, training, evaluation."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from boxseg.data.draws import training_batches
from boxseg.data.image_reader import ImageReader
from boxseg.engine.checkpoint import (
    load_model_state,
    read_checkpoint,
    restore_random_states,
    save_checkpoint,
)
from boxseg.engine.determinism import make_deterministic
from boxseg.engine.environment import describe_code, describe_environment
from boxseg.engine.hooks import Checkpointer, MetricsWriter, Progress
from boxseg.engine.precision import chosen_precision
from boxseg.engine.run_directory import RunDirectory, now
from boxseg.engine.trainer import DivergedError, StepTrainer
from boxseg.errors import InputError
from boxseg.files import write_json_atomically
from experiments.components import build, chosen_device, load_initial_weights
from experiments.compose import as_yaml, config_sha256
from experiments.evaluate_model import evaluate
from experiments.run_data import check_evaluated_split, complete, load_data

from detectron2.engine.hooks import LRScheduler  # isort: skip

logger = logging.getLogger(__name__)

RESULT_SCHEMA = 1


@dataclass(frozen=True)
class CellName:
    """Where a run's result belongs: a table's cell, or a run of its own."""

    table: str
    row: str
    column: str

    @staticmethod
    def of_single_run(config: DictConfig) -> CellName:
        """The name under which a run outside any table is recorded."""
        return CellName("train", f"{config.method}-{config.dataset.name}", config.schedule)


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Copy every log record of the run to its log file."""
    try:
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}.") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def execute(config: DictConfig, cell: CellName | None = None) -> dict[str, Any]:
    """Train and evaluate one run, or go on with it, or return its result if it is finished.

    Args:
        config: resolved; see `experiments.compose`.
        cell: the table's cell it fills.

    Returns:
        The content of `result.json`.

    Raises:
        InputError: bad data, configuration, checkpoint, or run directory.
        DivergedError: a loss became infinite or NaN.
    """
    if cell is not None and config.positive_control:
        raise InputError(
            f"{cell.table} cannot take a run with the oracle's true masks, which is not "
            "box-supervised; run it with `boxseg train`."
        )
    cell = cell or CellName.of_single_run(config)
    directory = RunDirectory(Path(config.run_dir))
    digest = config_sha256(config)
    finished = directory.finished_result(digest)
    if finished is not None:
        logger.info("%s is finished; nothing to train", directory.path)
        return finished
    if directory.belongs_to_another(digest):
        directory.write_config(as_yaml(config), digest)  # refuses, naming the remedy
    with directory.occupied(), logging_to(directory.log):
        directory.write_config(as_yaml(config), digest)
        return _train_and_evaluate(config, cell, directory, digest)


def _train_and_evaluate(
    config: DictConfig, cell: CellName, directory: RunDirectory, digest: str
) -> dict[str, Any]:
    started, clock = now(), time.perf_counter()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = chosen_device(config.device)
    precision = chosen_precision(config.solver.precision, device)
    make_deterministic(config.seed)
    dataset, training = load_data(config)
    config = complete(config, training)
    check_evaluated_split(dataset)
    model: nn.Module = build(config.model)
    load_initial_weights(model, config)
    model = model.to(device).to(memory_format=torch.channels_last)
    optimizer = build(config.solver.optimizer)(model)
    scheduler = build(config.solver.learning_rate_schedule)(optimizer)
    iterations = config.solver.iterations

    first, seconds_before = 0, 0.0
    if directory.checkpoint.exists():
        content = read_checkpoint(directory.checkpoint)
        load_model_state(model, content["model"], directory.checkpoint)
        if content["config_sha256"] != digest:
            raise InputError(
                f"checkpoint {directory.checkpoint} was trained with another configuration; "
                "delete it to start this run again, or restore its own."
            )
        optimizer.load_state_dict(content["optimizer"])
        scheduler.load_state_dict(content["scheduler"])
        first, seconds_before = content["iteration"], content["seconds"]
        restore_random_states(content["random"])
        logger.info("resuming %s at step %d of %d", directory.path, first, iterations)
    MetricsWriter.forget_after(directory.metrics, first)

    reader = ImageReader(config.channel_order)
    saved = first
    if first < iterations:

        def save(iteration: int) -> None:
            nonlocal saved
            seconds = seconds_before + time.perf_counter() - clock
            save_checkpoint(
                directory.checkpoint, model, iteration, digest, seconds, optimizer, scheduler
            )
            saved = iteration

        mapper = build(config.mapper, reader=reader)
        batches = training_batches(
            training.records,
            mapper,
            config.seed,
            config.solver.batch_size,
            first * config.solver.accumulate,
            iterations * config.solver.accumulate,
            config.workers,
        )
        model.train()
        trainer = StepTrainer(
            model, optimizer, batches, precision, config.solver.accumulate, config.solver.clip_norm
        )
        trainer.register_hooks(
            [
                MetricsWriter(directory.metrics, config.log_period),  # logs the rate of this step
                LRScheduler(optimizer, scheduler),
                Checkpointer(save, config.checkpoint_period),
                Progress(f"{cell.table}/{cell.row}/{cell.column}/seed{config.seed}"),
            ]
        )
        try:
            trainer.train(first, iterations)
        except DivergedError as error:
            good = f"{directory.checkpoint} of step {saved}" if saved else "none was saved yet"
            raise DivergedError(f"{error}; last good checkpoint: {good}") from None

    split = dataset.split(dataset.evaluate)
    scores = evaluate(model, config, split.name, dataset, directory.predictions, reader, precision)
    result = {
        "schema": RESULT_SCHEMA,
        "table": cell.table,
        "row": cell.row,
        "column": cell.column,
        "scale": config.scale.name,
        "scale_version": config.scale.version,
        "seed": config.seed,
        "method": config.method,
        "dataset": config.dataset.name,
        "split": split.name,
        "config_sha256": digest,
        "metrics": scores.metrics,
        "area_ranges": scores.area_ranges,
        "iterations": iterations,
        "seconds": round(seconds_before + time.perf_counter() - clock, 1),
        "started": started,
        "git": describe_code(),
        "environment": describe_environment(device, precision),
    }
    write_json_atomically(directory.result, result)
    return result
