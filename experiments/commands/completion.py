"""What a shell offers after `boxseg ... <TAB>`, by argcomplete.

    eval "$(register-python-argcomplete boxseg)"

Nothing heavy is imported: choices are names of files.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

ASKED = "_ARGCOMPLETE"
"""The variable by which a shell says that it asks."""

Completer = Callable[..., list[str]]


def asked() -> bool:
    """Whether a shell asks what could come next, instead of running a command."""
    return ASKED in os.environ


def typed() -> list[str]:
    """The words before the one that is being typed, without the program's name."""
    from argcomplete.lexers import split_line

    line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
    words: list[str] = split_line(line)[3]
    return words[1:]


def answer(parser: argparse.ArgumentParser) -> None:
    """Say what could come next, and end the process.

    Args:
        parser: of the whole command line, with the options of the command that was typed.
    """
    import argcomplete

    for command in _commands(parser):
        for action in command._actions:
            completer = COMPLETERS.get(action.dest)
            if completer is not None:
                action.completer = completer  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [
        command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
    ]


def _words(prefix: str, action: argparse.Action, **_: object) -> list[str]:
    """`method=`, then its choices; and the tables, where the command takes them."""
    from experiments.configuration.choices import GROUPS, choices

    group, sign, _name = prefix.partition("=")
    if sign:
        return [f"{group}={name}" for name in choices(group)] if group in GROUPS else []
    of_tables = "TABLE" in str(action.metavar)
    return [*(_tables() if of_tables else []), *(f"{one}=" for one in GROUPS)]


def _tables(**_: object) -> list[str]:
    from experiments.configuration.choices import TABLES, choices

    return [*choices(TABLES), "all"]


def _scales(**_: object) -> list[str]:
    from experiments.configuration.choices import choices

    return choices("scale")


def _rows(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Rows of the tables that were typed before."""
    from experiments.launch.tables import definitions, table_names

    named = [*(getattr(parsed_args, "words", None) or getattr(parsed_args, "tables", None) or [])]
    tables = definitions([one for one in named if one in table_names()])
    return list(dict.fromkeys(row.name for table in tables for row in table.rows))


COMPLETERS: dict[str, Completer] = {
    "words": _words,
    "tables": _tables,
    "scale": _scales,
    "rows": _rows,
}
