"""The numbers of runs side by side: scores, losses, pseudo masks, times."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boxseg.engine.step_log import CRITERIA
from experiments.reporting.comparison.recorded import RecordedRun, recorded_run
from reports.own_runs import Values, differing_keys

WINDOW = 10
"""Lines of `metrics.jsonl` that the last value of a curve is the mean of: single steps scatter."""

SCORES = ("segm/", "bbox/")

Numbers = dict[str, tuple[float | None, ...]]
"""By name, one for each run; None where it has none."""


@dataclass(frozen=True)
class Comparison:
    """What there is to tell of some runs.

    Attributes:
        runs: as they were given.
        unknown: those whose configuration is not there; they have none in `configuration`.
        configuration: values that are not all equal, by key; see `differing_keys`.
        scores: at the end, in per cent: AP.
        masks: at the end, in per cent: of pseudo masks and predicted ones by the true masks.
        losses: means of the last lines that were logged.
        pseudo_masks: likewise, of what pseudo masks and copy-paste were like while training.
        while_training: the last AP and the best one, in per cent, on the images of the
            `evaluation_period`.
        times: steps that are done, seconds of a step (the median of those logged), and of the whole
            run.
    """

    runs: tuple[str, ...]
    unknown: tuple[str, ...]
    configuration: Mapping[str, Values]
    scores: Numbers
    masks: Numbers
    losses: Numbers
    pseudo_masks: Numbers
    while_training: Numbers
    times: Numbers

    def content(self) -> dict[str, Any]:
        """It in plain containers."""
        return asdict(self)


def compare(places: Sequence[Path]) -> Comparison:
    """Compare runs.

    Args:
        places: a run's directory each, or the `result.json` in one.

    Raises:
        InputError: one of them is no run, or cannot be read.
    """
    runs = [recorded_run(place) for place in places]
    known = [run for run in runs if run.configuration is not None]
    metrics = [dict(run.result.get("metrics", {})) for run in runs]
    scores = [{n: v for n, v in one.items() if n.startswith(SCORES)} for one in metrics]
    masks = [{n: v for n, v in one.items() if not n.startswith(SCORES)} for one in metrics]
    last = [_last_values(run) for run in runs]
    losses = [{n: v for n, v in one.items() if "loss" in n} for one in last]
    labels = [{n: v for n, v in one.items() if n.startswith(("pseudo_", "copy_"))} for one in last]
    differing = differing_keys([run.configuration or {} for run in known]) if known else {}
    return Comparison(
        tuple(str(place) for place in places),
        tuple(str(run.place) for run in runs if run.configuration is None),
        {key: _of_all(values, runs) for key, values in differing.items()},
        _side_by_side(scores),
        _side_by_side(masks),
        _side_by_side(losses),
        _side_by_side(labels),
        _side_by_side([_while_training(run) for run in runs]),
        _side_by_side([_times(run) for run in runs]),
    )


def _of_all(values: Values, runs: Sequence[RecordedRun]) -> Values:
    """Values of the runs whose configuration is known, and None for the others."""
    own = iter(values)
    return tuple(None if run.configuration is None else next(own) for run in runs)


def _side_by_side(of_runs: Sequence[Mapping[str, float | None]]) -> Numbers:
    names = dict.fromkeys(name for one in of_runs for name in one)
    return {name: tuple(one.get(name) for one in of_runs) for name in names}


def _last_values(run: RecordedRun) -> dict[str, float]:
    lines = run.metrics[-WINDOW:]
    return {name: statistics.fmean(own) for name, own in _columns(lines).items()}


def _columns(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The numbers of each name, in the order of their lines."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for name, value in line.items():
            if type(value) in (int, float):
                found.setdefault(name, []).append(value)
    return found


def _while_training(run: RecordedRun) -> dict[str, float]:
    columns = _columns(run.evaluations)
    found: dict[str, float] = {}
    for name, label in CRITERIA.items():
        if name in columns:
            found |= {f"last {label}": columns[name][-1], f"best {label}": max(columns[name])}
    return found


def _times(run: RecordedRun) -> dict[str, float | None]:
    columns = _columns(run.metrics)
    times: dict[str, float | None] = {}
    if columns.get("iteration"):
        times["steps"] = columns["iteration"][-1]
    elif "iterations" in run.result:
        times["steps"] = run.result["iterations"]
    if "seconds_per_iteration" in columns:
        times["seconds of a step"] = statistics.median(columns["seconds_per_iteration"])
    if "seconds" in run.result:
        times["seconds of the run"] = run.result["seconds"]
    return times
