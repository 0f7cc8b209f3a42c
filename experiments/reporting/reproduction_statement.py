"""What the reproducibility statement needs of the experiments: the cost of the paper's scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boxseg.files import write_text_atomically
from experiments.configuration.choices import TABLES, choices
from experiments.launch.cost import basis_text, gpu_hours, rates
from experiments.launch.runs import expand
from experiments.launch.tables import definitions
from experiments.reporting.tables import Report, build_report
from reports.controls import TABLE as CONTROLS
from reports.definition import TableDefinition
from reports.reproduction.outcome import PaperCost
from reports.reproduction.statement import render_reproduction
from reports.results import Results
from reports.table import PAPER_SCALE, Table
from reports.verdict import LEAST_SEEDS

SCALES = ("mini", "paper")
COMMAND = "boxseg report all"


def paper_costs(
    tables: Sequence[TableDefinition], seeds: int = LEAST_SEEDS
) -> tuple[PaperCost, ...]:
    """Estimate what the available rows of each table would take at paper scale.

    Args:
        tables: to estimate.
        seeds: per cell; by default as many as a verdict needs.
    """
    costs = []
    before: set[str] = set()
    for table in tables:
        runs = {run.sha256: run for run in expand(table, PAPER_SCALE, 1, Path("runs"))}
        configs = [run.of_cell for run in runs.values()]
        hours = {sha: gpu_hours(run.of_cell) for sha, run in runs.items()}
        costs.append(
            PaperCost(
                table=table.name,
                runs=seeds * len(runs),
                gpu_hours=seeds * sum(one or 0.0 for one in hours.values()),
                without_estimate=seeds * sum(one is None for one in hours.values()),
                basis=basis_text(config.dataset.name for config in configs),
                shared_runs=seeds * len(before & set(runs)),
                shared_gpu_hours=seeds * sum(hours[sha] or 0.0 for sha in hours if sha in before),
            )
        )
        before |= set(runs)
    return tuple(costs)


def regenerate(path: Path, runs: Path, scales: Sequence[str] = SCALES) -> Path:
    """Write the statement on the paper's tables from the records below a folder.

    Args:
        path: of the statement.
        runs: the runs' root, such as `reports/results`.
        scales: to report on, each with what runs it has.

    Raises:
        InputError: a folder cannot be read or written.
    """
    tables = definitions(["all"])
    reports = [build_report(tables, scale, runs, COMMAND, seeds=1) for scale in scales]
    controls = [
        build_report(definitions([CONTROLS]), scale, runs, COMMAND, seeds=1).tables[0]
        for scale in scales
    ]
    names = [name for name in choices(TABLES) if name != CONTROLS]
    further = [one for one in definitions(names) if one.paper_table is None]
    own = [build_report(further, scale, runs, COMMAND, seeds=1) for scale in scales]
    return state_reproduction(path, reports, controls, own, reports[0].results)


def state_reproduction(
    path: Path,
    reports: Sequence[Report],
    controls: Sequence[Table],
    own: Sequence[Report],
    results: Results,
) -> Path:
    """Write the statement on the tables of several scales.

    Args:
        path: of the statement; `results/` beside it is taken for the runs' root.
        reports: one per scale, as `experiments.reporting.tables.build_report` gives them.
        controls: the table of controls, once per scale.
        own: the suite's other tables, once per scale.
        results: that they were built from.
    """
    shown = {table.name: table.definition for one in reports for table in one.tables}
    of_paper = [one for one in shown.values() if one.paper_table is not None]
    text = render_reproduction(
        [table for one in reports for table in one.tables],
        [claim for one in (*reports, *own) for claim in one.assessments],
        results,
        controls=controls,
        own=[table for one in own for table in one.tables],
        costs=paper_costs(of_paper),
        gpus=rates().gpus,
    )
    write_text_atomically(path, text)
    return path
