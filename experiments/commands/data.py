"""Prepare or check a dataset, or import the annotations of another tool."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from boxseg.data.foreign import FORMATS
from boxseg.errors import InputError

if TYPE_CHECKING:
    from boxseg.data.check import SplitCheck
    from boxseg.data.dataset import Split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which dataset."""
    parser.add_argument("action", choices=("prepare", "check", "import"))
    parser.add_argument(
        "name",
        help="scenes, scenes-b, coco, voc or coco-folder; to import: the folder of the other tool",
    )
    parser.add_argument(
        "--root", type=Path, help="folder of the data; for scenes, where they are generated"
    )
    parser.add_argument("--scale", default="mini", help="scale whose image size scenes have")
    parser.add_argument(
        "--ids",
        type=Path,
        metavar="FILE",
        help="ids of the training images to look at, one a line; the others need not be there",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the JSON files that preparing coco or voc writes; default: "
        "ROOT/annotations. To import: the folder to make",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="to import: what the folder holds; default: recognised from what is there",
    )
    parser.add_argument(
        "--val-share",
        type=float,
        default=0.2,
        metavar="X",
        help="to import: share of the pictures to evaluate on, where the folder has no such split",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="to import: of the draw of those pictures"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 2 if there is a defect, or data other than as published",
    )


def run(options: argparse.Namespace) -> int:
    """Print what is there, and every problem found."""
    if options.action == "import":
        return _import(options)
    from experiments.configuration.choices import refuse_unknown

    refuse_unknown("dataset", options.name)
    if options.action == "prepare" and options.name in ("coco", "voc"):
        return _prepare(options)
    return _check(options)


def _import(options: argparse.Namespace) -> int:
    """Import a folder; 1 if a file of it could not be used."""
    from boxseg.data.foreign.importing import import_folder

    if options.out is None:
        raise InputError("importing needs the folder to make; give --out DIR.")
    outcome = import_folder(
        Path(options.name), options.out, options.format, options.val_share, options.seed
    )
    for line in outcome.lines:
        print(line)
    for complaint in outcome.complaints:
        print(f"boxseg: {complaint}", file=sys.stderr)
    return 1 if outcome.complaints else 0


def _prepare(options: argparse.Namespace) -> int:
    from boxseg.data.coco_2017 import prepare_coco
    from boxseg.data.voc.dataset import prepare_voc

    if options.name == "coco":
        preparation = prepare_coco(options.root, options.out, options.ids)
    else:
        preparation = prepare_voc(options.root, options.out, options.ids)
    for line in preparation.lines:
        print(line)
    for shortfall in preparation.shortfalls:
        print(f"  note: {shortfall}")
    if preparation.shortfalls and options.strict:
        print(
            f"boxseg: {options.name} is not as published in {len(preparation.shortfalls)} ways.",
            file=sys.stderr,
        )
        return 2
    return 0


def _check(options: argparse.Namespace) -> int:
    from boxseg.data.check import check_split
    from boxseg.data.split_agreement import disagreements
    from boxseg.data.voc.dataset import check_voc
    from experiments.run.dataset_by_name import dataset_on_disk

    defects = 0
    if options.name == "voc":
        for check in check_voc(options.root, options.out, options.ids):
            defects += _shown(check)
    else:
        dataset = dataset_on_disk(
            options.name, options.root, options.scale, options.ids, options.out
        )
        checks: list[SplitCheck] = []
        for split in dataset.splits.values():
            checks.append(
                check_split(split, dataset.train_ids if split.name == dataset.train else None)
            )
            defects += _shown(checks[-1])
            if checks[-1].annotations:
                _show_distributions(split, options.name, options.scale)
        for defect in disagreements(dataset, checks):
            print(f"{defect.kind}: {defect.sentence()}")
            defects += 1
    if defects:
        print(f"boxseg: {defects} defects in {options.name}.", file=sys.stderr)
    return 2 if defects and options.strict else 0


def _show_distributions(split: Split, name: str, scale: str) -> None:
    """Print sizes and numbers of objects of a split, and K of Eq. 4."""
    import torch

    from boxseg.data.distributions import distributions
    from boxseg.engine.evaluation import LARGE, SMALL
    from boxseg.quality_aware import adaptive_top_k
    from experiments.configuration.compose import compose

    factor = compose([f"dataset={name}", f"scale={scale}"]).images.pixel_factor
    small, large = (SMALL * factor) ** 2, (LARGE * factor) ** 2
    found = distributions(
        split,
        (small, large),
        lambda areas: adaptive_top_k(
            torch.from_numpy(areas), small_area=small, large_area=large
        ).numpy(),
    )
    for line in found.lines():
        print(f"  {line}")


def _shown(check: SplitCheck) -> int:
    """Print what was found in a split; the number of its defects."""
    print(check.sentence())
    for defect in check.defects:
        print(f"  {defect.kind}: {defect.sentence()}")
    for note in check.notes:
        print(f"  note: {note}")
    return len(check.defects)
