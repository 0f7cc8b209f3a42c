"""How far a table's runs scatter by what: the seed, the images evaluated on, the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.pooling import PooledError, pooled_error, within_groups

# Runs of one column with these in common are taken to scatter alike, whatever their row.
POOLED_OVER = ["column", "iterations", "dataset", "split"]


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
