"""Every run's `result.json` as one tidy DataFrame; what cannot be trusted is named, not guessed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from boxseg.errors import InputError
from reports.result_file import RESULT_FILE, Bins, RefusedResult, RunResult, load_result

# One row of the frame per run and metric. `run` is the run's folder relative to the runs' root;
# `image_sd` the metric's standard deviation over resampled images, where the run has recorded it.
COLUMNS = {
    "table": "str",
    "row": "str",
    "column": "str",
    "scale": "str",
    "seed": "int64",
    "method": "str",
    "dataset": "str",
    "split": "str",
    "config_sha256": "str",
    "metric": "str",
    "value": "float64",
    "image_sd": "float64",
    "iterations": "int64",
    "seconds": "float64",
    "started": "datetime64[us, UTC]",
    "commit": "str",
    "dirty": "bool",
    "device": "str",
    "processor": "str",
    "python": "str",
    "torch": "str",
    "detectron2": "str",
    "run": "str",
}


# Folder in a run's own for the same run on other processors: `repeats/<processor>/result.json`.
REPEATS = "repeats"


@dataclass(frozen=True)
class RejectedResult:
    """A result file left out.

    `tables` are the (scale, table) pairs it lies in or claims to belong to; empty if neither can
    be told.
    """

    path: str
    reason: str
    tables: frozenset[tuple[str, str]]

    def concerns(self, scale: str, table: str) -> bool:
        """Tell whether a reader of this table has to know of it."""
        return not self.tables or (scale, table) in self.tables


@dataclass(frozen=True, eq=False)
class Results:
    """All usable results below a root (see `COLUMNS`), and those left out.

    `calibration` has the bins of the pseudo masks' quality, by run, of those that recorded some.
    `repeats`, of the same columns, has runs that were done again on another processor: they tell
    what that changes, and are part of no table.
    """

    frame: pd.DataFrame
    rejected: tuple[RejectedResult, ...]
    calibration: Mapping[str, Bins] = field(default_factory=dict)
    repeats: pd.DataFrame = field(default_factory=lambda: _frame({}))

    def count_trained(self, places: Collection[str]) -> int:
        """Give the number of runs behind some places; one that several cells share counts once."""
        frame = self.frame[self.frame["run"].isin(places)]
        return len(frame.drop_duplicates(["config_sha256", "seed"]))


def read_results(runs: Path) -> Results:
    """Read every `result.json` below `runs` (`<scale>/<table>/<row>/<column>/seed<k>/`).

    Cells of one configuration share a run: the folder of a run that is another cell's too is a link
    to that one's. Its result is each cell's own, under the name of the link. What lies below a
    run's folder `repeats` is that run once more; see `Results`.

    The order of the frame and of the rejected files depends on names alone.

    Raises:
        InputError: `runs` is not a folder, or a folder below it cannot be read.
    """
    if not runs.is_dir():
        raise InputError(f"there is no folder of runs {runs}; run `boxseg reproduce` first.")
    accepted: dict[str, RunResult] = {}
    rejected: list[RejectedResult] = []
    for place in _result_places(runs):
        tables = _table_of(place)
        try:
            result = load_result(runs / place / RESULT_FILE)
        except RefusedResult as refusal:
            rejected.append(_reject(place, str(refusal), tables))
            continue
        if (runs / place).is_symlink():
            result = _as_named(result, place)
        if result.place != _cell_of(place):
            reason = f"misplaced, its contents belong in {result.place}"
            rejected.append(_reject(place, reason, tables | {(result.scale, result.table)}))
        else:
            accepted[place] = result
    for place, original in _copies(accepted).items():
        del accepted[place]
        rejected.append(_reject(place, f"duplicated, the same run as {original}", _table_of(place)))
    rejected.sort(key=lambda one: one.path)
    repeats = {place: accepted.pop(place) for place in list(accepted) if _cell_of(place) != place}
    calibration = {
        place: result.calibration
        for place, result in accepted.items()
        if any(one.objects for one in result.calibration)
    }
    return Results(_frame(accepted), tuple(rejected), calibration, _frame(repeats))


def _result_places(runs: Path) -> Iterator[str]:
    places = []
    for folder, below, files in os.walk(runs, onerror=_unreadable):
        # Walking does not follow links, which may lead anywhere: of those it meets, one step.
        links = (Path(folder, name) for name in below if Path(folder, name).is_symlink())
        found = [link for link in links if (link / RESULT_FILE).is_file()]
        found += [Path(folder)] if RESULT_FILE in files else []
        places += [one.relative_to(runs).as_posix() for one in found]
    return iter(sorted(places))


def _as_named(result: RunResult, place: str) -> RunResult:
    """A shared run's result as that of the cell whose folder is the link; see `read_results`."""
    parts = PurePosixPath(place).parts
    if len(parts) != 5:
        return result
    _, table, row, column, _ = parts
    return result.model_copy(update={"table": table, "row": row, "column": column})


def _cell_of(place: str) -> str:
    """The place of the run that a result belongs to: its own, or that of what it repeats."""
    parts = PurePosixPath(place).parts
    return "/".join(parts[:5]) if len(parts) == 7 and parts[5] == REPEATS else place


def _unreadable(error: OSError) -> None:
    raise InputError(
        f"cannot read the folder {error.filename}: {error.strerror}; results may lie in it."
    )


def _table_of(place: str) -> frozenset[tuple[str, str]]:
    parts = PurePosixPath(place).parts
    return frozenset({(parts[0], parts[1])}) if len(parts) >= 2 else frozenset()


def _reject(place: str, reason: str, tables: frozenset[tuple[str, str]]) -> RejectedResult:
    return RejectedResult((PurePosixPath(place) / RESULT_FILE).as_posix(), reason, tables)


def _copies(accepted: dict[str, RunResult]) -> dict[str, str]:
    """Find runs of one cell that are one run under two seeds; each maps to its twin.

    Two trainings never agree in start and duration to the last digit. Which of the two is the
    original cannot be told, so both are named. Runs shared between tables are no copies.
    """
    groups: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for place, result in accepted.items():
        cell = place.rpartition("/")[0]
        metrics = tuple(sorted(result.metrics.items()))
        groups[cell, result.started, result.seconds, metrics].append(place)
    return {
        place: next(other for other in places if other != place)
        for places in groups.values()
        if len(places) > 1
        for place in places
    }


def _frame(accepted: dict[str, RunResult]) -> pd.DataFrame:
    rows = [
        (
            result.table,
            result.row,
            result.column,
            result.scale,
            result.seed,
            result.method,
            result.dataset,
            result.split,
            result.config_sha256,
            metric,
            float("nan") if value is None else value,
            result.bootstrap.get(metric, float("nan")),
            result.iterations,
            result.seconds,
            result.started,
            result.git.commit,
            result.git.dirty,
            result.environment.device,
            result.environment.processor,
            result.environment.python,
            result.environment.torch,
            result.environment.detectron2,
            place,
        )
        for place, result in accepted.items()
        for metric, value in sorted(result.metrics.items())
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["started"] = pd.to_datetime(frame["started"], utc=True)
    frame = frame.astype(COLUMNS)
    order = ["scale", "table", "row", "column", "seed", "metric"]
    return frame.sort_values(order, ignore_index=True)
