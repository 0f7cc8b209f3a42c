"""Prepare or check a dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which dataset."""
    parser.add_argument("action", choices=("prepare", "check"))
    parser.add_argument("name", help="scenes, scenes-b or coco-folder")
    parser.add_argument(
        "--root", type=Path, help="folder of the data; for scenes, where they are generated"
    )
    parser.add_argument("--scale", default="mini", help="scale whose image size scenes have")
    parser.add_argument("--strict", action="store_true", help="exit with 2 if there is a defect")


def run(options: argparse.Namespace) -> int:
    """Print what is there, and every problem found."""
    from boxseg.data.check import check_split
    from experiments.compose import refuse_unknown
    from experiments.datasets_on_disk import dataset_on_disk

    refuse_unknown("dataset", options.name)
    dataset = dataset_on_disk(options.name, options.root, options.scale)
    defects = 0
    for split in dataset.splits.values():
        check = check_split(split)
        print(check.sentence())
        for defect in check.defects:
            print(f"  {defect.sentence()}")
        for note in check.notes:
            print(f"  note: {note}")
        defects += len(check.defects)
    if defects:
        print(f"boxseg: {defects} defects in {options.name}.", file=sys.stderr)
    return 2 if defects and options.strict else 0
