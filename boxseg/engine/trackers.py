"""Where people watch a run's numbers: TensorBoard, Weights & Biases, MLflow.

Each is a `boxseg.engine.hooks.MetricWriter` for the numbers that a run logs anyway. The packages
are imported when a run is to be tracked, and not before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically

PROJECT = "boxseg"
"""What runs are filed under, unless the service's own environment variable says otherwise."""

GROUPS = {
    "loss": "losses",
    "total_loss": "losses",
    "pseudo_": "pseudo_masks",
    "copy_paste_": "copy_paste",
}
"""By how a number's name begins, the group that it is shown in."""


@dataclass(frozen=True)
class TrackedRun:
    """What trackers are told of a run.

    Attributes:
        folder: of the run.
        name: as messages name it.
        first: steps that are done already.
        configuration: in plain containers.
    """

    folder: Path
    name: str
    first: int
    configuration: Mapping[str, Any]

    def remembered(self, service: str) -> str | None:
        """What a service calls the run that is gone on with, if it has been told of it."""
        try:
            return str(read_json(self._file)[service]) if self.first else None
        except (InputError, KeyError, TypeError):
            return None

    def remember(self, service: str, name: str) -> None:
        """Keep what a service calls the run."""
        write_json_atomically(self._file, {service: name})

    @property
    def _file(self) -> Path:
        return self.folder / "tracking.json"


class Tracker(Protocol):
    """A `MetricWriter` that is opened for a run, and closed.

    Attributes:
        package: that it needs, as it is imported.
    """

    package: ClassVar[str]

    def __init__(self, run: TrackedRun) -> None: ...

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """See `boxseg.engine.hooks.MetricWriter`."""
        ...

    def close(self) -> None:
        """Nothing more will be written."""
        ...


def tags(values: Mapping[str, float | None]) -> dict[str, float]:
    """Numbers by the names they are shown under, in groups; those that are None are left out."""
    return {_tag(name): value for name, value in values.items() if value is not None}


def _tag(name: str) -> str:
    if "/" in name:
        return name
    group = next((group for start, group in GROUPS.items() if name.startswith(start)), "training")
    return f"{group}/{name}"


class TensorBoard:
    """An event file in the run's folder; each process that goes on with the run adds one.

    It begins with what TensorBoard takes for a restart: numbers that an earlier process wrote of
    steps that are done again count no longer. Every event is on disk when `write` returns, so that
    none is missing where a run was killed.

    Args:
        run: whose numbers they are.
    """

    package: ClassVar[str] = "tensorboard"

    def __init__(self, run: TrackedRun) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        number = len(list(run.folder.glob("events.out.tfevents.*")))
        file = run.folder / f"events.out.tfevents.{time.time():.0f}.{number}"
        self._records = RecordWriter(file.open("xb"))
        self._add(file_version="brain.Event:2")
        self._add(step=run.first + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = [Summary.Value(tag=name, simple_value=one) for name, one in tags(values).items()]
        self._add(step=iteration, summary=Summary(value=numbers))

    def close(self) -> None:
        self._records.close()

    def _add(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
        self._records.flush()


class WeightsAndBiases:
    """A run of Weights & Biases; `WANDB_MODE`, `WANDB_PROJECT` and the like say how and where.

    Args:
        run: whose numbers they are.
    """

    package: ClassVar[str] = "wandb"

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=run.remembered(self.package),
            resume="allow",
            dir=run.folder,
            config=dict(run.configuration),
        )
        run.remember(self.package, self._run.id)

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        self._run.log(tags(values), step=iteration)  # a step that it has had it leaves out itself

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """A run of MLflow; `MLFLOW_TRACKING_URI` says where.

    Args:
        run: whose numbers they are.
    """

    package: ClassVar[str] = "mlflow"

    def __init__(self, run: TrackedRun) -> None:
        import mlflow

        self._client = mlflow.MlflowClient()
        self._known: dict[str, int] = {}
        remembered = run.remembered(self.package)
        if remembered is None:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            experiment = mlflow.set_experiment(name).experiment_id
            self._id = self._client.create_run(experiment, run_name=run.name).info.run_id
            self._client.log_dict(self._id, dict(run.configuration), "config.json")
            run.remember(self.package, self._id)
        else:
            self._id = remembered
            for name in self._client.get_run(self._id).data.metrics:
                steps = [one.step for one in self._client.get_metric_history(self._id, name)]
                self._known[name] = max(steps)

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        new = {name: one for name, one in tags(values).items() if iteration > self._last(name)}
        metrics = [Metric(name, value, now, iteration) for name, value in new.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def _last(self, name: str) -> int:
        """The last step that it had before the run was gone on with: it keeps doubled ones."""
        return self._known.get(name, -1)

    def close(self) -> None:
        self._client.set_terminated(self._id)


TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}
"""By the word `tracking=`."""
