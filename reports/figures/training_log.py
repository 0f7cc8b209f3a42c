"""A run's training log, `metrics.jsonl`, as a frame; and averaged over windows to be drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from boxseg.errors import InputError

LOG_FILE = "metrics.jsonl"
MOST_POINTS = 40


def read_log(run: Path) -> pd.DataFrame | None:
    """Read the numbers that a run logged, one line per logged step, indexed by `iteration`.

    Torn and foreign lines are passed over; of a step that was logged twice, the later line counts.
    None where the run has no log or the log no line.

    Raises:
        InputError: the file is there and cannot be read.
    """
    file = run / LOG_FILE
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}.") from error
    steps: dict[int, dict[str, float]] = {}
    for line in lines:
        try:
            step = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(step, dict) and type(step.get("iteration")) is int:
            iteration = step.pop("iteration")
            steps[iteration] = {k: float(v) for k, v in step.items() if type(v) in (int, float)}
    if not steps:
        return None
    frame = pd.DataFrame.from_dict(steps, orient="index", dtype="float64").sort_index()
    frame.index.name = "iteration"
    return frame


def averaged(log: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """Average over windows of equally many logged steps, so that at most `most` points remain.

    Each point's iteration is the mean of its window's. What was not logged in a window is NaN.
    """
    window = -(-len(log) // most)
    frame = log.reset_index()
    return frame.groupby(frame.index // window).mean().set_index("iteration")


def warm_up_end(log: pd.DataFrame, factor: str) -> int | None:
    """Give the first logged iteration at which a loss's factor is 1.

    None if the factor was not logged, is 1 from the start, or never gets there.
    """
    if factor not in log:
        return None
    values = log[factor].dropna()
    done = values.index[values >= 1]
    if values.empty or len(done) == 0 or values.iloc[0] >= 1:
        return None
    return int(done[0])
