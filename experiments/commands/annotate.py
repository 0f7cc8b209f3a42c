"""Make masks for boxes that are there already; nothing of the folder given is changed.

DIR is in COCO's layout (annotations/instances_<split>.json, images in <split>/). OUT gets the same
JSON with a mask and its quality for each box, and contact-sheet.html, worst first. A box whose
mask is no better than the ellipse in it, by the run's own calibration, is marked "unsure". Without
a checkpoint masks come of the colours in and around the boxes, with --learn also of what all of
the boxes have in common. Masks that are there already stay. A
call again goes on where one was interrupted. Exit code 1 if an image could not be read; it is named
and skipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.predict import add_format_argument, add_model_arguments
from experiments.launch.interrupts import importing

UNSURE = ("none", "mask", "ellipse")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Boxes, model, and what is written where."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="images and boxes, COCO's layout")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="C",
        help="a run directory or checkpoint; default: none, masks by colours alone",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder for masks")
    parser.add_argument(
        "--split", action="append", default=[], metavar="S", help="may be repeated; default: all"
    )
    add_format_argument(parser, "default: coco")
    parser.add_argument(
        "--least-quality",
        type=float,
        metavar="Q",
        help="from 0 to 1; boxes whose mask has less are unsure; default: by the run's calibration",
    )
    parser.add_argument(
        "--unsure",
        choices=UNSURE,
        default="none",
        help="what an unsure box gets: no mask, its mask all the same, or the ellipse in it",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="give boxes that have a mask another, and tell how much the two overlap",
    )
    parser.add_argument(
        "--flips",
        action="store_true",
        help="show the teacher each image's mirror image too, and average what it finds",
    )
    parser.add_argument(
        "--learn",
        type=int,
        nargs="?",
        const=0,
        metavar="SEED",
        help="without a checkpoint, first learn from all of these boxes (minutes); default seed: 0",
    )
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when images were skipped."""
    from boxseg.errors import InputError

    with importing():
        from experiments.checkpoints.annotate import annotate
        from experiments.checkpoints.judged_boxes import Unsure

    least = options.least_quality
    if least is not None and not 0 <= least <= 1:
        raise InputError(f"--least-quality {least} is not from 0 to 1.")
    if options.checkpoint is None and options.categories is not None:
        raise InputError(
            "--categories lists what a model knows, and no model is given; leave it out, or give "
            "--checkpoint."
        )
    if options.checkpoint is None and options.flips:
        raise InputError(
            "--flips is of a model's masks, and no model is given; leave it out, or give "
            "--checkpoint."
        )
    if options.checkpoint is not None and options.learn is not None:
        raise InputError(
            "--learn is for masks without a model, and --checkpoint gives one; leave one of them "
            "out."
        )
    if options.learn is not None and options.learn < 0:
        raise InputError(f"--learn {options.learn} is no seed; give a number from 0.")
    outcome = annotate(
        options.folder,
        options.checkpoint,
        options.out,
        splits=options.split,
        formats=options.format or ["coco"],
        least=least,
        unsure=Unsure(options.unsure),
        device=options.device,
        categories=options.categories,
        measure=options.measure,
        flips=options.flips,
        learn=options.learn,
    )
    print(outcome.sentence())
    if least is None and not outcome.calibrated:
        why = "The run has no calibration" if options.checkpoint else "No bar is set"
        print(f"{why}, so only boxes without any mask are unsure; --least-quality sets a bar.")
    else:
        print(f"Boxes are unsure below a quality of {outcome.least_quality:g}.")
    for split, measures in outcome.measures.items():
        print(f"Masks of {split}, beside those that are there:")
        for line in measures.lines():
            print(line)
    for file in outcome.files:
        print(file)
    return 1 if outcome.skipped else 0
