"""The gallery of the report's page: predictions of several methods on images chosen by a rule."""

from __future__ import annotations

from experiments.gallery.comparison import SCORE_THRESHOLD, compared_images, run_config
from experiments.gallery.fragment import gallery_fragment
from experiments.gallery.own_images import predicted_images
from experiments.gallery.runs import comparable_runs, gallery

__all__ = [
    "SCORE_THRESHOLD",
    "comparable_runs",
    "compared_images",
    "gallery",
    "gallery_fragment",
    "predicted_images",
    "run_config",
]
