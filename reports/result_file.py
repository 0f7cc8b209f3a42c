"""The file a finished run leaves, `result.json`: its schema, its reading, its bins of quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    model_validator,
)

from reports.validation import explain

RESULT_FILE = "result.json"

RANK_CORRELATION = "pseudo/rank-correlation"
AGREEMENT = "pseudo/agreement"
"""Spearman's correlation of quality and IoU, times 100."""

_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Record(BaseModel):
    # Strict: "3" is not 3. Keys beyond the schema are welcome and not read.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Git(_Record):
    """The state of the source: full commit hash, and whether it had uncommitted changes."""

    commit: str
    dirty: bool


class Environment(_Record):
    """Versions and place of a run."""

    python: str
    torch: str
    detectron2: str
    device: str
    host: str

    @property
    def processor(self) -> str:
        """Give the accelerator, or the model of the CPU without the number of its cores."""
        return self.host.partition(",")[0] if self.device == "cpu" else self.device


class CalibrationBin(_Record):
    """The pseudo masks whose quality lies in [`quality_from`, `quality_to`): how many, their means.

    Quality and IoU (of a pseudo mask with its object's true mask) are in [0, 1]; the means are None
    where there are no objects.
    """

    quality_from: _Share
    quality_to: _Share
    objects: int = Field(ge=0)
    mean_quality: _Share | None
    mean_iou: _Share | None

    @model_validator(mode="after")
    def _means_where_there_are_objects(self) -> CalibrationBin:
        empty = self.objects == 0
        if (self.mean_quality is None) != empty or (self.mean_iou is None) != empty:
            raise ValueError("has means without objects, or objects without means")
        return self


Bins = tuple[CalibrationBin, ...]


class RunResult(_Record):
    """A `result.json` of schema 1. Metrics are in per cent; null means undefined on the data.

    `calibration` holds bins of the pseudo masks' quality, for methods with a teacher where true
    masks can judge it. `deviations` are sentences on how the run departs from what its scale
    prescribes. `scale_version` is None in results older than the field. `bootstrap` gives, of some
    metrics, the standard deviation over resampled images of the evaluated split, in per cent.
    """

    schema_version: Literal[1] = Field(alias="schema")
    table: str
    row: str
    column: str
    scale: str
    seed: int = Field(ge=0)
    method: str
    dataset: str
    split: str
    config_sha256: str = Field(min_length=1)
    metrics: dict[str, FiniteFloat | None]
    iterations: int = Field(ge=0)
    seconds: FiniteFloat = Field(ge=0)
    started: AwareDatetime
    git: Git
    environment: Environment
    calibration: tuple[CalibrationBin, ...] = ()
    deviations: tuple[str, ...] = ()
    bootstrap: dict[str, Annotated[FiniteFloat, Field(ge=0)]] = {}
    scale_version: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _average_precision_is_in_per_cent(self) -> RunResult:
        for metric, value in self.metrics.items():
            if metric.startswith(("segm/AP", "bbox/AP")) and not 0 <= (value or 0) <= 100:
                raise ValueError(f"{metric} is {value}, outside 0 to 100")
        return self

    @property
    def place(self) -> str:
        """Give the run's folder relative to the runs' root, as the contents imply it."""
        return f"{self.scale}/{self.table}/{self.row}/{self.column}/seed{self.seed}"


class RefusedResult(Exception):
    """A result file that cannot be used; the message is the reason."""


def load_result(path: Path) -> RunResult:
    """Read one result file.

    Raises:
        RefusedResult: it is unreadable, truncated, of a foreign schema, or not finite.
    """
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RefusedResult(f"cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            reason = "truncated or not JSON"
        elif any(finding["loc"] == ("schema",) for finding in error.errors()):
            reason = "foreign schema, only schema 1 is read"
        else:
            reason = explain(error, RunResult)
        raise RefusedResult(reason) from None


def pooled(runs: Sequence[Bins]) -> Bins:
    """Join the bins of several runs; means are weighted by objects, empty bins left out."""
    joined = []
    edges = sorted({(one.quality_from, one.quality_to) for bins in runs for one in bins})
    for low, high in edges:
        same = [
            one
            for bins in runs
            for one in bins
            if (one.quality_from, one.quality_to) == (low, high)
        ]
        objects = sum(one.objects for one in same)
        if objects:
            joined.append(
                CalibrationBin(
                    quality_from=low,
                    quality_to=high,
                    objects=objects,
                    mean_quality=sum(o.objects * (o.mean_quality or 0) for o in same) / objects,
                    mean_iou=sum(o.objects * (o.mean_iou or 0) for o in same) / objects,
                )
            )
    return tuple(joined)


def calibration_error(bins: Bins) -> float:
    """Expected calibration error in [0, 1]: |mean quality - mean IoU|, weighted by objects."""
    objects = sum(one.objects for one in bins)
    gaps = (
        one.objects * abs(one.mean_quality - one.mean_iou)
        for one in bins
        if one.mean_quality is not None and one.mean_iou is not None
    )
    return sum(gaps) / objects
