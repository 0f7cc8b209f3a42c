"""The error of one run, and how far a table's runs scatter by seed, images and processor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.statistics import FloatArray

# Runs of one column with these in common are taken to scatter alike, whatever their row.
POOLED_OVER = ["column", "iterations", "dataset", "split"]


# Three seeds of two rows say little about how far runs scatter; the other rows of the column say
# more of the same. So the error is pooled over them, by the two-way model without interaction
#
#     score of a row and seed = row + seed + error,
#
# whose errors have one variance over the column. A seed's own part stays out of the error, as it
# does in a paired test: for two rows this *is* the paired t test. Where seeds have no part of their
# own, taking it out costs `seeds - 1` degrees of freedom of `rows * (seeds - 1)`, and nothing else.
@dataclass(frozen=True)
class PooledError:
    """The standard deviation of a run's error, in the unit of the scores, and what it rests on.

    Attributes:
        sd: at least 0.
        degrees: of freedom, at least 1.
    """

    sd: float
    degrees: int

    def of_difference(self, seeds: int) -> float:
        """Give the standard error of the mean difference of two rows over this many seeds."""
        return self.sd * math.sqrt(2 / seeds)


def pooled_variances(scores: FloatArray, present: NDArray[np.bool_]) -> tuple[FloatArray, int]:
    """Estimate the error's variance in any number of columns of one pattern.

    Args:
        scores: (..., rows, seeds); what stands where there was no run is not looked at.
        present: (rows, seeds), which runs there are.

    Returns:
        Variances, of the leading shape, and their degrees of freedom; with 0 degrees they are NaN.
    """
    row, seed = np.nonzero(present)
    design = np.concatenate([np.eye(present.shape[0])[row], np.eye(present.shape[1])[seed]], axis=1)
    degrees = len(row) - int(np.linalg.matrix_rank(design)) if len(row) else 0
    found = scores[..., row, seed]
    if degrees == 0:
        return np.full(found.shape[:-1], np.nan), 0
    fitted = found @ (design @ np.linalg.pinv(design)).T
    return ((found - fitted) ** 2).sum(axis=-1) / degrees, degrees


def pooled_error(rows: Sequence[Mapping[int, float]]) -> PooledError | None:
    """Estimate the error of a column's runs; None where there is no degree of freedom.

    Args:
        rows: of one column, each the score of every seed it has; rows may lack seeds.
    """
    seeds = sorted({seed for row in rows for seed in row})
    scores = np.array([[row.get(seed, np.nan) for seed in seeds] for row in rows], dtype=float)
    if not seeds:
        return None
    variance, degrees = pooled_variances(scores, ~np.isnan(scores))
    return PooledError(math.sqrt(float(variance)), degrees) if degrees else None


def within_groups(groups: Sequence[Sequence[float]]) -> PooledError | None:
    """Estimate the standard deviation within groups of repeated measurements of one thing each."""
    repeated = [np.asarray(group, dtype=float) for group in groups if len(group) > 1]
    degrees = sum(len(group) - 1 for group in repeated)
    if not degrees:
        return None
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in repeated)
    return PooledError(math.sqrt(squares / degrees), degrees)


@dataclass(frozen=True)
class Spread:
    """How far the runs of one column, of one length and on one split, scatter in one metric.

    Attributes:
        column: of the table.
        iterations: that its runs were trained for.
        metric: as results name it.
        seeds: standard deviation of a run's score over seeds, after each row's and each seed's own
            part; None where too few runs tell.
        images: mean standard deviation of a run's score over resampled images; None where no run
            recorded it. All runs are evaluated on the same images, so it is no part of `seeds`.
        processors: standard deviation of the score of one configuration and seed over the
            processors that it was run on; None where none was run on several.
    """

    column: str
    iterations: int
    metric: str
    seeds: PooledError | None
    images: float | None
    processors: PooledError | None


def spreads(
    frame: pd.DataFrame, metrics: Sequence[str], of_scale: pd.DataFrame
) -> tuple[Spread, ...]:
    """Measure the scatter of each column and metric, in the order of the columns' names.

    Args:
        frame: of one table at one scale, as `reports.results.read_results` gives it.
        metrics: to measure.
        of_scale: the runs of all tables at that scale, among which trainings of the same
            configuration and seed on other processors are looked for.
    """
    found = []
    for metric in metrics:
        measured = frame[frame["metric"] == metric].dropna(subset="value")
        for keys, runs in measured.groupby(POOLED_OVER):
            same = of_scale["config_sha256"].isin(runs["config_sha256"])
            elsewhere = of_scale[same & (of_scale["metric"] == metric)]
            images = runs["image_sd"].dropna()
            found.append(
                Spread(
                    column=str(keys[0]),
                    iterations=int(runs["iterations"].iloc[0]),
                    metric=metric,
                    seeds=error_of_column(runs),
                    images=None if images.empty else float(images.mean()),
                    processors=between_processors(elsewhere),
                )
            )
    return tuple(found)


def values_by_row(runs: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Give the score of each seed of each row; the runs are of one column and metric."""
    return {
        str(row): dict(zip(own["seed"].tolist(), own["value"].tolist(), strict=True))
        for row, own in runs.groupby("row")
    }


def error_of_column(runs: pd.DataFrame) -> PooledError | None:
    """Estimate the error of a run from all runs of one column and metric.

    A run that several rows show, because their configurations are equal, is taken once.
    """
    once = runs.drop_duplicates(["seed", "started", "seconds", "value"])
    return pooled_error(list(values_by_row(once).values()))


def between_processors(runs: pd.DataFrame) -> PooledError | None:
    """Estimate how far one configuration and seed scatters over processors.

    Args:
        runs: of one metric, from any tables; those of one `config_sha256` and seed are one
            training, repeated where their processors differ.

    Returns:
        The standard deviation between processors, or None where nothing was repeated on another.
    """
    repeated = runs.dropna(subset="value").groupby(["config_sha256", "seed", "processor"])["value"]
    means = repeated.mean()
    return within_groups([group.tolist() for _, group in means.groupby(level=[0, 1])])
