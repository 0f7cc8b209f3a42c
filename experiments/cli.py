# PYTHON_ARGCOMPLETE_OK
"""The console script `boxseg`: sub-commands, exit codes, and errors in one sentence."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from boxseg.errors import InputError
from boxseg.progress_display.display import DISPLAY
from experiments import completion
from experiments.configuration.extensions import Extensions, use
from experiments.run.logs import set_up_logging

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

TRAIN = ("reproduce", "train")
"""Commands that save what they do now and then."""

USAGE_ERROR = 2
RUNS_FAILED = 1


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


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line; its KEY=VALUE words may stand before and after the flags."""
    words = sys.argv[1:] if arguments is None else list(arguments)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; see `USAGE_ERROR` and `RUNS_FAILED` for what its exit code means."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal has no letters for is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    options = parsed(arguments)
    set_up_logging()
    try:
        with contextlib.closing(DISPLAY):  # what is told of an error comes last
            use(Extensions.named(options.config_dir, options.package))
            return int(options.run(options))
    except InputError as error:
        print(f"boxseg: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        place = f" {error.filename}" if error.filename else ""
        print(
            f"boxseg: cannot write{place}: {error.strerror}; free the disk or choose a writable "
            "folder.",
            file=sys.stderr,
        )
        return USAGE_ERROR
    except KeyboardInterrupt:
        on = "; the same command goes on from what was saved" if options.command in TRAIN else ""
        print(f"boxseg: interrupted{on}.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
