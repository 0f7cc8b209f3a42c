"""The tables that are defined."""

from __future__ import annotations

from collections.abc import Sequence

from boxseg.errors import InputError
from experiments.configuration.choices import TABLES, files_of
from reports.definition import TableDefinition, load_definition


def table_names() -> list[str]:
    """Names of all tables that are defined."""
    return list(files_of(TABLES))


def definitions(names: Sequence[str]) -> list[TableDefinition]:
    """The definitions of some tables; "all" stands for every one of the paper's.

    Raises:
        InputError: a table is unknown.
    """
    files = files_of(TABLES)
    known = list(files)
    for name in names:
        if name not in known and name != "all":
            raise InputError(f"there is no table {name!r}; choose among {', '.join(known)}, all.")
    wanted = known if "all" in names else list(dict.fromkeys(names))
    tables = [load_definition(files[name]) for name in wanted]
    return [one for one in tables if one.paper_table is not None or one.name in names]
