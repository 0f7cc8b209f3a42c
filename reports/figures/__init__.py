"""Figures of the report, drawn from result files and training logs."""

from reports.figures.collection import all_figures
from reports.figures.figure import Figure, write_figures

__all__ = ["Figure", "all_figures", "write_figures"]
