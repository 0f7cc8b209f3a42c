"""The tables that are defined."""

from __future__ import annotations

from collections.abc import Sequence

from boxseg.errors import InputError
from experiments.configuration.choices import FOLDER as CONFIGURATION_FOLDER
from reports.definition import TableDefinition, load_definition

FOLDER = CONFIGURATION_FOLDER / "table"


def table_names() -> list[str]:
    """Names of all tables that are defined."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def definitions(names: Sequence[str]) -> list[TableDefinition]:
    """The definitions of some tables; "all" stands for every one of the paper's.

    Raises:
        InputError: a table is unknown.
    """
    known = table_names()
    for name in names:
        if name not in known and name != "all":
            raise InputError(f"there is no table {name!r}; choose among {', '.join(known)}, all.")
    wanted = known if "all" in names else list(dict.fromkeys(names))
    tables = [load_definition(FOLDER / f"{name}.yaml") for name in wanted]
    return [one for one in tables if one.paper_table is not None or one.name in names]
