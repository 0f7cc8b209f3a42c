"""What a checkout shows of its recorded runs: the statement, and the answer of its README."""

from __future__ import annotations

from pathlib import Path

from boxseg.files import atomic_path, write_text_atomically
from experiments.launch.tables import definitions
from experiments.reporting.reproduction_statement import regenerate
from experiments.reporting.tables import build_report
from reports.claims import of_table
from reports.definition import MAIN_TABLE
from reports.figures.effects import effect_figures
from reports.reproduction.answer import render_answer, with_answer
from reports.wording.claims import next_seeds

SCALE = "mini"
"""Whose runs the README answers from: a checkout is made on machines that bear no other."""
RUNS_TOGETHER = 2


def is_of_a_checkout(runs: Path) -> bool:
    """Tell whether a folder of runs holds the records that a checkout's pages are made of."""
    return (runs.parent / "REPRODUCTION.md").is_file() and _readme(runs).is_file()


def regenerate_committed(runs: Path) -> list[Path]:
    """Write the statement, the README's answer and its figure from the records; returns the files.

    Args:
        runs: `reports/results` of a checkout.

    Raises:
        InputError: a file cannot be read or written, or the README has no place for the answer.
    """
    statement = regenerate(runs.parent / "REPRODUCTION.md", runs)
    return [statement, *write_answer(_readme(runs), runs)]


def write_answer(readme: Path, runs: Path) -> list[Path]:
    """Put the answer into a README, and its figure into `docs/` beside it; returns both files.

    Raises:
        InputError: a file cannot be read or written, or the README has no place for the answer.
    """
    report = build_report(definitions(["all"]), SCALE, runs, "boxseg report all", seeds=1)
    main = [table for table in report.tables if table.name == MAIN_TABLE]
    own = of_table(main[0], report.assessments)
    figures = effect_figures(main, own)
    command = f"boxseg reproduce {MAIN_TABLE} --scale {SCALE} --launcher local"
    image = readme.parent / "docs" / "effects.png"
    answer = render_answer(
        report.tables,
        report.assessments,
        report.results,
        figures[0] if figures else None,
        "docs/effects.png",
        next_seeds(main, own, report.results, command, RUNS_TOGETHER),
    )
    text = with_answer(readme.read_text(encoding="utf-8"), answer)
    written = []
    if figures:
        with atomic_path(image) as temporary:
            temporary.write_bytes(figures[0].png)
        written.append(image)
    write_text_atomically(readme, text)
    return [readme, *written]


def _readme(runs: Path) -> Path:
    return runs.parent.parent / "README.md"
