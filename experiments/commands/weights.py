"""Convert a published checkpoint or backbone into one that this suite takes, or export one of it.

`export` writes the network of a checkpoint that predicts, alone, with its configuration and the
names of its classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

OF_IMPORT = ("words", "network", "ignore")
"""Options that mean nothing to an export."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, where to, and what it is evaluated with."""
    parser.add_argument("action", choices=("import", "export"))
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a .pth or .pkl as published; or a run to export"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="KEY=VALUE",
        help="configuration to evaluate with, e.g. images.test_short_side=640",
    )
    parser.add_argument("--to", type=Path, required=True, metavar="OUT", help="file to write")
    parser.add_argument(
        "--network", help="teacher, student or ema; default: the one the published code uses"
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="NAME",
        help="a tensor (* stands for any text) to leave out, or to do without if no prediction "
        "needs it; may be repeated",
    )
    parser.add_argument(
        "--half", action="store_true", help="export: round weights to half precision"
    )


def run(options: argparse.Namespace) -> int:
    """Write the checkpoint and say what was found."""
    if options.action == "export":
        return _export(options)
    from boxseg.errors import InputError
    from experiments.checkpoints.import_weights import import_weights

    if options.half:
        raise InputError("--half is of `boxseg weights export`; leave it out.")
    imported = import_weights(
        options.file, options.to, options.words, options.network, options.ignore
    )
    for sentence in imported.sentences:
        print(sentence)
    print(imported.target)
    return 0


def _export(options: argparse.Namespace) -> int:
    from boxseg.errors import InputError
    from experiments.checkpoints.export_network import export_network

    given = [name for name in OF_IMPORT if getattr(options, name)]
    if given:
        raise InputError(f"{given[0]} is of `boxseg weights import`; leave it out of an export.")
    exported = export_network(options.file, options.to, options.half)
    for sentence in exported.sentences:
        print(sentence)
    print(exported.target)
    return 0
