"""What a run has left on disk, as far as it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.step_log import StepLog
from boxseg.errors import InputError
from boxseg.files import read_json
from experiments.configuration.run_configuration import RunConfiguration

_DEFAULTS = {
    name: field.default
    for name, field in RunConfiguration.model_fields.items()
    if not field.is_required()
}
"""Of keys that older runs do not have yet."""


@dataclass(frozen=True)
class RecordedRun:
    """A run, finished or not.

    Attributes:
        place: as it was given.
        result: the content of `result.json`; empty of a run that is not finished.
        configuration: in plain containers; None where it is not there, as beside recorded results.
        metrics, evaluations: lines of the logs of these names, in their order.
    """

    place: Path
    result: Mapping[str, Any]
    configuration: Mapping[str, Any] | None
    metrics: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]


def recorded_run(place: Path) -> RecordedRun:
    """Read a run.

    Args:
        place: its directory, or the `result.json` in one.

    Raises:
        InputError: there is no run, or a file of it cannot be read.
    """
    if not place.exists():
        raise InputError(f"{place} does not exist; give a run's directory or its result.json.")
    directory = RunDirectory(place if place.is_dir() else place.parent)
    file = directory.result if place.is_dir() else place
    result = _result(file) if file.exists() else {}
    configuration = _configuration(directory.config) if directory.config.exists() else None
    if not result and configuration is None:
        raise InputError(
            f"{place} holds no run, neither a result.json nor a config.yaml; give the directory "
            "that `boxseg train` or a table wrote."
        )
    logs = (StepLog(directory.metrics).lines(), StepLog(directory.evaluations).lines())
    return RecordedRun(place, result, configuration, *logs)


def _result(file: Path) -> Mapping[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("metrics"), dict):
        raise InputError(f"{file} is no result of a run; give the result.json of one.")
    return content


def _configuration(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{file} cannot be read ({reason}); restore it.") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} is no configuration of a run; restore it.")
    return _DEFAULTS | content
