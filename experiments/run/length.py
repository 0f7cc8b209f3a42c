"""How long a run trains whose scale leaves that to the images and the device at hand."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch

from boxseg.data.records import LoadedRecords
from boxseg.engine.distributed import on_first_rank
from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.configuration.schema import LengthRule
from experiments.run.data import load_data
from experiments.run.device import chosen_device

logger = logging.getLogger(__name__)


def iterations_of_1x(rule: LengthRule, images: int, batch_size: int, device_type: str) -> int:
    """The length of 1x by a scale's rule.

    Args:
        rule: of the scale.
        images: to train on, without those that have no box.
        batch_size: images of a step.
        device_type: such as "cpu" or "cuda".
    """
    pace = rule.cuda if device_type == "cuda" else rule.cpu
    epochs = math.ceil(rule.epochs * images / batch_size)
    most = int(pace.seconds * pace.images_per_second / batch_size)
    return max(rule.least, min(epochs, most))


def with_length(
    config: RunConfiguration,
    training: LoadedRecords,
    directory: RunDirectory,
    digest: str,
    device: torch.device,
) -> RunConfiguration:
    """The configuration with the length that its scale's rule gives, where one gives it.

    A run that has begun keeps the length on record, whatever it goes on with.

    Args:
        config: of the run.
        training: what it trains on.
        directory: its own.
        digest: the configuration's hash.
        device: that it trains on.

    Raises:
        InputError: the record cannot be read.
    """
    rule = config.length_rule
    if rule is None:
        return config
    images = training.report.images - training.report.empty
    batch_size = config.solver.batch_size * config.solver.accumulate

    def length() -> int:
        if directory.config.is_file() and directory.config_sha256() == digest:
            return RunConfiguration.read(directory.config).images.iterations_1x
        return iterations_of_1x(rule, images, batch_size, device.type)

    found = on_first_rank(length)  # whatever the others' file systems show them
    logger.info(
        "1x is %d iterations of %d images (%.1f times each of %d) at scale %s on %s",
        *(found, batch_size, found * batch_size / max(images, 1), images),
        *(config.scale.name, device.type),
    )
    return config.with_length(found)


def as_it_would_begin(config: RunConfiguration) -> RunConfiguration:
    """The configuration with the length that it would have if it began, or went on, here and now.

    Raises:
        InputError: the images to train on cannot be counted.
    """
    device = chosen_device(config.device)
    try:
        _, training = load_data(config)
    except InputError as error:
        raise InputError(
            f"how long scale={config.scale.name} trains follows from the images to train on, which "
            f"cannot be counted: {str(error).rstrip('.')}; or set images.iterations_1x=N."
        ) from None
    directory = RunDirectory(Path(config.run_dir))
    return with_length(config, training, directory, config.sha256, device)
