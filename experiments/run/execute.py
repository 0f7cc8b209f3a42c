"""One run, from its configuration to its result: data, model, training, evaluation."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import torch
from detectron2.utils import comm

from boxseg.data.image_reader import ImageReader
from boxseg.engine.common_fate import failing_together
from boxseg.engine.determinism import choose_algorithms, is_deterministic, seed_generators
from boxseg.engine.distributed import first_rank_first, init_from_environment, on_first_rank
from boxseg.engine.environment import describe_code, describe_environment
from boxseg.engine.freed_memory import keep_freed_memory
from boxseg.engine.precision import chosen_precision, denormal_numbers_as_zero
from boxseg.engine.run_directory import RunDirectory, now
from boxseg.engine.step_log import StepLog
from boxseg.engine.trackers import TrackedRun
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically
from boxseg.progress_display.display import DISPLAY
from experiments.configuration.check import refuse_what_does_not_bind
from experiments.configuration.needs import refuse_unfit
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.cell_name import CellName
from experiments.run.data import check_evaluated_split, complete, load_data, trained_on
from experiments.run.device import chosen_device
from experiments.run.diagnosis import diagnose
from experiments.run.evaluation import evaluate, evaluate_situations
from experiments.run.interval_evaluation import IntervalEvaluation
from experiments.run.length import with_length
from experiments.run.logs import log_warnings_only, logging_to
from experiments.run.tracking import refuse_untracked, tracking
from experiments.run.training import begin, train

logger = logging.getLogger(__name__)

RESULT_SCHEMA = 1


def execute(config: RunConfiguration, cell: CellName | None = None) -> dict[str, Any]:
    """Train and evaluate one run, or go on with it, or return its result if it is finished.

    Where the environment tells of several processes, each of them calls this. They train one model
    together; the first one alone writes in the run's directory, and all return the same.

    Args:
        config: as `experiments.configuration.compose.compose` gives it.
        cell: the table's cell it fills.

    Returns:
        The content of `result.json`.

    Raises:
        InputError: bad data, configuration, checkpoint, or run directory.
        DivergedError: a loss became infinite or NaN.
    """
    if cell is not None and config.positive_control and not cell.takes_controls:
        raise InputError(
            f"{cell.table} cannot take a run with the oracle's true masks, which is not "
            "box-supervised; run it with `boxseg train`, or in the table controls."
        )
    refuse_unfit(config)
    refuse_untracked(config)
    cell = cell or CellName.of_single_run(config)
    init_from_environment()
    if not comm.is_main_process():
        log_warnings_only()
    directory = RunDirectory(Path(config.run_dir))
    digest = on_first_rank(lambda: _digest(config, directory))
    with contextlib.ExitStack() as kept:
        finished = on_first_rank(lambda: _finished_or_occupied(directory, config, digest, kept))
        if finished is not None:
            logger.info("%s is finished; nothing to train", directory.path)
            return finished
        kept.enter_context(failing_together())
        return _train_and_evaluate(config, cell, directory, digest, kept)


def _digest(config: RunConfiguration, directory: RunDirectory) -> str:
    """The run's hash; files that are gone since it was begun are those on record."""
    if config.contents.known:
        return config.sha256
    as_recorded = config.sha256_as_recorded(directory.recorded_contents())
    return as_recorded if as_recorded == directory.config_sha256() else config.sha256


def _started_from(directory: RunDirectory) -> Any:
    """What is on record of the checkpoint that the run started from."""
    return read_json(directory.start) if directory.start.is_file() else None


def _finished_or_occupied(
    directory: RunDirectory, config: RunConfiguration, digest: str, kept: contextlib.ExitStack
) -> dict[str, Any] | None:
    """The result of a finished run, or None after taking the directory for as long as `kept`."""
    finished = directory.finished_result(digest)
    if finished is None and not config.contents.known:  # a finished run needs its files no more
        as_recorded = config.sha256_as_recorded(directory.recorded_contents())
        finished = directory.finished_result(as_recorded)
    if finished is not None:
        return finished
    if directory.belongs_to_another(digest):
        directory.write_config(config.as_yaml(), digest)  # refuses, naming the remedy
    kept.enter_context(directory.occupied())
    kept.enter_context(logging_to(directory.log))
    return None


def _train_and_evaluate(
    config: RunConfiguration,
    cell: CellName,
    directory: RunDirectory,
    digest: str,
    kept: contextlib.ExitStack,
) -> dict[str, Any]:
    started, clock = now(), time.perf_counter()
    kept.enter_context(denormal_numbers_as_zero())
    preparing = kept.enter_context(DISPLAY.doing(f"{cell.with_seed(config.seed)}: preparing"))
    refuse_what_does_not_bind(config)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = chosen_device(config.device)
    precision = chosen_precision(config.solver.precision, device)
    keep_freed_memory()
    seed_generators(config.seed)
    choose_algorithms(is_deterministic(config.deterministic, device))
    with first_rank_first():
        dataset, loaded = load_data(config)
    config = with_length(complete(config, loaded), loaded, directory, digest, device)
    recorded = directory.recorded_contents()
    digests = {
        name: recorded.get(name) if found is None else found
        for name, found in config.contents.digests.items()
    }
    on_first_rank(lambda: directory.write_config(config.as_yaml(), digest, digests))
    check_evaluated_split(dataset)
    memory = trained_on(dataset, loaded)
    classes = [one.name for one in loaded.categories]
    training = begin(config, directory, digest, device, clock, classes)
    reader = ImageReader(config.channel_order)
    title = cell.with_seed(config.seed)
    tracked = TrackedRun(directory.path, title, training.first, config.content())
    writers = kept.enter_context(tracking(config, tracked))
    evaluation = None
    if config.evaluation_period:
        logs = StepLog(directory.metrics), StepLog(directory.evaluations)
        evaluation = IntervalEvaluation(config, dataset, reader, precision, *logs, writers)
    records = loaded.records
    preparing.close()
    train(training, config, records, memory, reader, precision, title, evaluation, writers)

    split = dataset.split(dataset.evaluate)
    model, file = training.model, directory.predictions
    scores = evaluate(model, config, split.name, dataset, file, reader, precision)
    folder = directory.path
    situations = evaluate_situations(model, config, dataset, folder, reader, precision)
    with DISPLAY.doing("comparing masks with the true ones"):
        diagnosis = on_first_rank(
            lambda: diagnose(model, config, records, split, file, reader, precision)
        )
    seconds = round(training.seconds, 1)
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
        "metrics": scores.metrics | situations | diagnosis.metrics,
        "bootstrap": scores.bootstrap,
        "calibration": diagnosis.calibration,
        "area_ranges": scores.area_ranges,
        "iterations": config.solver.iterations,
        "seconds": seconds,
        "started": started,
        "git": describe_code(),
        "deviations": list(config.deviations),
        "environment": describe_environment(device, precision)
        | {"processes": comm.get_world_size()},
    }

    if config.start_from is not None:
        result["started_from"] = on_first_rank(lambda: _started_from(directory))

    def record() -> dict[str, Any]:
        write_json_atomically(directory.result, result)
        of_split = {f"result/{n}": v for n, v in scores.metrics.items()}
        for writer in writers:
            writer.write(config.solver.iterations, of_split)
        return result

    return on_first_rank(record)
