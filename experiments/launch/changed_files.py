"""Whether finished runs are of the annotations and weights that are there today."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from reports.definition import TableDefinition
from reports.status import RunKey, RunStatus, State, Statuses

if TYPE_CHECKING:  # what composes configurations is imported where there is something to compare
    from experiments.launch.runs import Run


def changed_files(
    table: TableDefinition, statuses: Statuses, scale: str, runs: Path
) -> dict[RunKey, str]:
    """What has changed since a table's results were made, per run of which something has.

    Files are looked for where the scale has them and, where it does not say, where the run itself
    had them. What is not there cannot have changed.

    Args:
        table: whose runs.
        statuses: of them.
        scale: of them.
        runs: folder of the runs.
    """
    place = runs / scale / table.name
    done = {
        key
        for key, status in statuses.items()
        if status.state is State.DONE
        and RunDirectory(place / key.row / key.column / f"seed{key.seed}").contents.exists()
    }
    if not done:
        return {}
    from experiments.launch.runs import expand

    changed = {}
    for run in expand(table, scale, max(key.seed for key in done) + 1, runs):
        key = RunKey(run.cell.row, run.cell.column, run.seed)
        if key in done and (names := _changed(run)):
            changed[key] = " and ".join(names)
    return changed


def with_changed_files(
    table: TableDefinition, statuses: Statuses, scale: str, runs: Path
) -> dict[RunKey, RunStatus]:
    """The states of a table's runs, where a result of other files than today's is outdated.

    Arguments as for `changed_files`.
    """
    told = dict(statuses)
    for key, names in changed_files(table, statuses, scale, runs).items():
        reason = f"made with other {names} than today's; `boxseg reproduce` makes it anew"
        told[key] = dataclasses.replace(told[key], state=State.OUTDATED, reason=reason)
    return told


def _changed(run: Run) -> list[str]:
    from experiments.configuration.run_configuration import RunConfiguration

    directory = RunDirectory(run.directory)
    recorded = directory.recorded_contents()
    today = run.of_cell.contents
    changed = today.changed_since(recorded)
    if not today.known:
        with contextlib.suppress(InputError):  # its configuration may be gone
            changed += RunConfiguration.read(directory.config).contents.changed_since(recorded)
    return list(dict.fromkeys(changed))
