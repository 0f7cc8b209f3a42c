"""Find objects on images: overlays as PNG, and the detections as COCO JSON.

OUT/predictions.json is COCO's result format, OUT/images.json tells which image each id is. Boxes
and masks are in pixels of the upright image, that is, turned as its EXIF data say. Further forms
(--format) come with contact-sheet.html, worst first. Nothing that is in OUT is overwritten. Exit
code 1 if an image could not be read; it is named and skipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from boxseg.export import FORMATS
from experiments.launch.interrupts import importing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Images, model, and where to."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="files, folders, or patterns such as 'a/**/*.jpg'",
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="C", help="a run directory or checkpoint"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for overlays and JSON"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="S",
        help="leave detections below it out, from the JSON too (default: 0.3)",
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images at a time (default: 1)"
    )
    add_format_argument(parser, "default: none beside OUT's two JSON files")
    add_model_arguments(parser)


def add_format_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """In which forms masks are written."""
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        choices=FORMATS,
        help=f"may be repeated; {default}. coco: one JSON, masks run-length encoded, or as "
        "polygons; png: a picture for each object; yolo: outlines; labelme: a JSON for each image",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the model of a checkpoint computes, and what its classes are."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument(
        "--categories",
        type=Path,
        metavar="FILE",
        help="COCO JSON that lists the model's categories; default: that of its training data",
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when images were skipped."""
    from boxseg.errors import InputError

    with importing():
        from experiments.checkpoints.predict import predict

    if not 0 <= options.score_threshold <= 1:
        raise InputError(f"--score-threshold {options.score_threshold} is not from 0 to 1.")
    if options.batch < 1:
        raise InputError(f"--batch {options.batch} is not a positive number.")
    outcome = predict(
        options.images,
        options.checkpoint,
        options.out,
        batch_size=options.batch,
        score_threshold=options.score_threshold,
        device=options.device,
        categories=options.categories,
        formats=options.format,
    )
    print(outcome.sentence())
    for file in outcome.files:
        print(file)
    return 1 if outcome.skipped else 0
