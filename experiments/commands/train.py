"""Train and evaluate one run; on a directory with a checkpoint, go on with it."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from boxseg.errors import InputError
from boxseg.progress_display.display import DISPLAY
from experiments.launch.interrupts import begun_whole, importing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """KEY=VALUE words, and flags."""
    parser.add_argument(
        "words", nargs="*", metavar="KEY=VALUE", help="e.g. method=boxinst scale=mini seed=1"
    )
    parser.add_argument(
        "--ids", metavar="FILE", help="train on the images listed there; the same as ids=FILE"
    )
    parser.add_argument(
        "--show-config", action="store_true", help="print the full configuration and stop"
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0 when the run is finished, 1 when it diverged."""
    with DISPLAY.doing("composing the configuration"):
        with begun_whole():
            from experiments.configuration.compose import compose
            from experiments.launch.preflight import lacks_of, missing_packages, refuse

        config = compose(_words(options))
    if options.show_config:
        if config.length_rule is not None:
            from experiments.run.length import as_it_would_begin

            config = as_it_would_begin(config)
        print(config.as_yaml(), end="")
        return 0
    with DISPLAY.doing("looking for what the run needs"):
        lacks = lacks_of([config])
    if len(lacks) > 1:  # a single one the run tells itself, with what it knows of it
        refuse(lacks, "nothing was trained", partial(print, file=sys.stderr))
    if (packages := missing_packages(config)) is not None:  # but these only after making the data
        raise InputError(packages.sentence())
    with importing():
        from detectron2.utils import comm

        from boxseg.engine.trainer import DivergedError
        from experiments.reporting.scores_text import scores_text
        from experiments.run.execute import execute

    try:
        result = execute(config)
    except DivergedError as error:
        print(f"boxseg: run {config.run_dir} failed: {error}.", file=sys.stderr)
        return 1
    if comm.is_main_process():
        print(scores_text(result["metrics"], result["area_ranges"]), end="")
        print(f"{config.run_dir}/result.json")
    return 0


def _words(options: argparse.Namespace) -> list[str]:
    if options.ids is None:
        return list(options.words)
    escaped = options.ids.replace("'", "\\'")
    return [*options.words, f"ids='{escaped}'"]
