"""Figures of the report, drawn from result files and training logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boxseg.errors import InputError
from reports.claims import Assessment
from reports.figures.average_precision import ablation_figure, situation_figure, size_figure
from reports.figures.calibration import calibration_figures
from reports.figures.effects import effect_figures
from reports.figures.figure import Figure, write_figures
from reports.figures.pseudo_iou import pseudo_iou_figure
from reports.figures.training_curves import training_figures
from reports.results import Results
from reports.table import Table

__all__ = ["Figure", "all_figures", "write_figures"]


def all_figures(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    results: Results,
    runs: Path,
) -> tuple[Figure, ...]:
    """Draw what there are data for: the claims first, then table by table.

    Args:
        tables: of one scale.
        assessments: of any tables; those of others are not drawn.
        results: the figures show the runs that the tables' cells name.
        runs: folder of the runs, for their training logs and calibration.

    Raises:
        InputError: the tables are of several scales, or a run's log cannot be read.
    """
    scales = sorted({table.scale for table in tables})
    if len(scales) > 1:
        raise InputError(
            f"figures were asked for of several scales ({', '.join(scales)}); draw one at a time."
        )
    figures: list[Figure | None] = list(effect_figures(tables, assessments))
    for table in tables:
        figures += [
            ablation_figure(table, results.frame),
            size_figure(table, results.frame),
            situation_figure(table, results.frame),
            pseudo_iou_figure(table, results.frame),
            *calibration_figures(table, results.frame, runs),
            *training_figures(table, results.frame, runs),
        ]
    return tuple(figure for figure in figures if figure is not None)
