"""The command line: its commands and their options, and what is said of words that are none."""

from __future__ import annotations

import argparse
import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path

from experiments.commands import completion

COMMANDS = {
    "reproduce": "run a table's rows and write its report",
    "train": "train and evaluate one run",
    "evaluate": "average precision of a run or checkpoint",
    "predict": "find objects on images of your own",
    "annotate": "make masks for boxes of your own",
    "compare": "runs side by side: what differs, and how they ended",
    "status": "how far each cell of a table is",
    "cancel": "end a table's queued and running jobs",
    "report": "write the reports of tables from the runs there are",
    "validate": "check every definition without building anything",
    "data": "prepare, check or import a dataset",
    "weights": "convert published checkpoints",
    "doctor": "what is installed here, and what is missing for which feature",
}

USAGE_ERROR = 2
"""The exit code of a command that was refused."""


class SentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence on stderr."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(USAGE_ERROR, f"boxseg: {message}; see `{self.prog} --help`.\n")


class Version(argparse.Action):
    """Prints the version; looked up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"boxseg {version('boxseg')}")
        parser.exit()


def parser(chosen: str | None) -> argparse.ArgumentParser:
    """The command line (design: "Command line"); of a command not chosen, its name and no more.

    Args:
        chosen: the command whose module is imported for its arguments, if it is one.
    """
    top = SentenceParser(prog="boxseg", description="Replication suite for BoxSeg, table by table.")
    top.add_argument("--version", action=Version, nargs=0, help="print the version and stop")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=SentenceParser
    )
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == chosen:
            module = importlib.import_module(f"experiments.commands.{name}")
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(run=module.run, config_dir=[], package=[])
            if name != "doctor":
                add_extensions(command)
    return top


def add_extensions(command: argparse.ArgumentParser) -> None:
    """Flags for what somebody else brings along; see `experiments.configuration.extensions`."""
    command.add_argument(
        "--config-dir",
        action="append",
        type=Path,
        metavar="DIR",
        help="further choices: a folder with method/, losses/, dataset/, table/, ... that hold "
        "YAML files; may be repeated",
    )
    command.add_argument(
        "--package",
        action="append",
        metavar="NAME",
        help="a package, importable from here or from PYTHONPATH, whose components may be built; "
        "may be repeated",
    )


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; its KEY=VALUE words may stand before and after the flags."""
    if completion.asked():
        words = completion.typed()
    chosen = next((word for word in words if not word.startswith("-")), None)
    top = parser(chosen)
    if completion.asked():
        completion.answer(top)
    if chosen is not None and chosen not in COMMANDS:
        near = difflib.get_close_matches(chosen, COMMANDS, n=1)
        meant = f"did you mean {near[0]}" if near else f"choose among {', '.join(COMMANDS)}"
        top.error(f"there is no command {chosen!r}; {meant}")
    options, late = top.parse_known_args(words)
    odd = [word for word in late if word.startswith("-") or "=" not in word]
    if odd or (late and "words" not in options):
        top.error(f"unrecognized arguments: {' '.join(odd or late)}")
    if late:
        options.words += late
    return options
