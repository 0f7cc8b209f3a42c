"""What `boxseg reproduce --dry-run` prints: every run, its configuration, its cost."""

from __future__ import annotations

from collections.abc import Sequence

from boxseg.engine.run_directory import RunDirectory
from boxseg.files import write_text_atomically
from experiments.compose import as_yaml, config_sha256
from experiments.cost import gpu_hours, reference
from experiments.tables import Run
from reports.definition import TableDefinition


def describe_runs(runs: Sequence[Run], tables: Sequence[TableDefinition]) -> str:
    """A line per run, after writing its full configuration to where the run will have it.

    Nothing is trained, and the configuration of a run that has begun is left as it is.
    """
    lines, total = [], 0.0
    for run in runs:
        config = run.config()
        directory = RunDirectory(run.directory)
        if not directory.checkpoint.exists() and not directory.result.exists():
            write_text_atomically(directory.config, as_yaml(config))
        finished = directory.finished_result(config_sha256(config)) is not None
        parts = [f"{config.method}, {config.backbone}", f"{config.solver.iterations} iterations"]
        if run.scale == "paper":
            hours = gpu_hours(config)
            total += hours or 0.0
            parts.append("no estimate" if hours is None else f"about {hours:.0f} GPU hours")
        if finished:
            parts.append("finished")
        lines.append(f"{run.name}: {', '.join(parts)}")
        lines.append(f"  {directory.config}")
    for table in tables:
        for row in table.rows:
            if row.unavailable is not None:
                lines.append(f"{table.name}/{row.name}: not yet available: {row.unavailable}")
    if runs and runs[0].scale == "paper":
        basis = reference()["reference"]
        lines.append(
            f"{len(runs)} runs, about {total:.0f} GPU hours ({basis['gpu']}; estimated from "
            f"{basis['hours']} GPU hours for {basis['method']}, R-50, 1x: {basis['source']})"
        )
    else:
        lines.append(f"{len(runs)} runs")
    return "\n".join(lines) + "\n"
