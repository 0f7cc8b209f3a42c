"""How well the quality of pseudo masks tells their true IoU, from the bins that runs recorded."""

from __future__ import annotations

from collections.abc import Sequence

from reports.result_file import CalibrationBin

Bins = tuple[CalibrationBin, ...]

RANK_CORRELATION = "pseudo/rank-correlation"
"""Spearman's correlation of quality and IoU, times 100."""


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
