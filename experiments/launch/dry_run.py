"""What `boxseg reproduce --dry-run` prints: every run, its configuration, its cost."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from boxseg.engine.run_directory import RunDirectory
from boxseg.files import write_text_atomically
from experiments.launch.cost import basis_text, own_basis_text, run_cost_text, total_cost_text
from experiments.launch.runs import Run
from experiments.launch.sharing import find_shared
from reports.definition import TableDefinition


def describe_runs(runs: Sequence[Run], tables: Sequence[TableDefinition]) -> str:
    """A line per run, after writing its full configuration to where the run will have it.

    Nothing is trained, and the configuration of a run that has begun is left as it is. A run that
    is the same as another one is named as such, and costs nothing.
    """
    lines = []
    shared = find_shared(runs)
    _write_configs(shared.trained)
    for run in runs:
        if shared.of[run.name].name != run.name:
            lines.append(f"{run.name}: same run as {shared.of[run.name].name}")
            continue
        config = run.of_cell
        directory = RunDirectory(run.directory)
        finished = directory.finished_result(run.sha256) is not None
        parts = [f"{config.method}, {config.backbone}", f"{config.solver.iterations} iterations"]
        if run.scale == "paper":
            parts.append(run_cost_text(config))
        if finished:
            parts.append("finished")
        lines.append(f"{run.name}: {', '.join(parts)}")
        lines.append(f"  {directory.config}")
    for table in tables:
        for row in table.rows:
            if row.unavailable is not None:
                lines.append(f"{table.name}/{row.name}: not yet available: {row.unavailable}")
    count = shared.text() or f"{len(runs)} runs"
    if runs and runs[0].scale == "paper":
        configs = [run.of_cell for run in shared.trained]
        references = basis_text(config.dataset.name for config in configs)
        lines.append(f"{count}, {total_cost_text(configs)}")
        lines.append(f"The published code's: {references}")
        lines.append(f"This suite's on {own_basis_text()}")
    else:
        lines.append(count)
    return "\n".join(lines) + "\n"


def _write_configs(runs: Sequence[Run]) -> None:
    """Write the configurations of the runs that have not begun, where they are not there yet."""
    texts = {}
    for run in runs:
        directory = RunDirectory(run.directory)
        if not directory.checkpoint.exists() and not directory.result.exists():
            text = run.configuration.as_yaml()
            if not directory.config.exists() or directory.config.read_text("utf-8") != text:
                texts[directory.config] = text
    with ThreadPoolExecutor(8) as pool:  # each file waits for the disk
        list(pool.map(write_text_atomically, texts.keys(), texts.values()))
