"""The gallery of the report's page: predictions of several methods on images chosen by a rule."""

from __future__ import annotations

from experiments.reporting.gallery.comparison import SCORE_THRESHOLD, compared_images, run_config
from experiments.reporting.gallery.fragment import gallery_fragment
from experiments.reporting.gallery.own_images import predicted_images
from experiments.reporting.gallery.runs import comparable_runs, gallery

__all__ = [
    "SCORE_THRESHOLD",
    "comparable_runs",
    "compared_images",
    "gallery",
    "gallery_fragment",
    "predicted_images",
    "run_config",
]
