"""What the quality-aware module and peer-assisted copy-paste do inside a trained run, as arrays."""

from __future__ import annotations

from experiments.reporting.anatomy.copy_paste import LabelledImage, PasteAnatomy, paste_anatomy
from experiments.reporting.anatomy.drawing import paste_figure, quality_figure
from experiments.reporting.anatomy.quality import Candidate, QualityAnatomy, quality_anatomy
from experiments.reporting.anatomy.trained import TrainedTeacher, trained_teacher

__all__ = [
    "Candidate",
    "LabelledImage",
    "PasteAnatomy",
    "QualityAnatomy",
    "TrainedTeacher",
    "paste_anatomy",
    "paste_figure",
    "quality_anatomy",
    "quality_figure",
    "trained_teacher",
]
