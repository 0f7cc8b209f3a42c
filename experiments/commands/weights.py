"""Convert a published checkpoint or backbone into one that this suite takes."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, where to, and the configuration it is evaluated with."""
    parser.add_argument("action", choices=("import",))
    parser.add_argument("file", type=Path, metavar="FILE", help="a .pth or .pkl as published")
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


def run(options: argparse.Namespace) -> int:
    """Write the checkpoint and say what was found."""
    from experiments.checkpoints.import_weights import import_weights

    imported = import_weights(
        options.file, options.to, options.words, options.network, options.ignore
    )
    for sentence in imported.sentences:
        print(sentence)
    print(imported.target)
    return 0
