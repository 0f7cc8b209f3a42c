"""Average precision of finished or unfinished runs or imported checkpoints, on any split."""

from __future__ import annotations

import argparse
from pathlib import Path

from boxseg.errors import InputError
from experiments.launch.interrupts import importing

RESCORINGS = ("none", "mask-aware")
ALONE = ("per_class", "boundary", "voc", "situations", "submission", "algorithm")
"""Options that a comparison of rescorings has no place for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, what to evaluate on, and what to tell of it."""
    parser.add_argument("checkpoints", type=Path, metavar="RUN_OR_CHECKPOINT", nargs="+")
    parser.add_argument("--split", help="split to evaluate on; default: the run's own")
    parser.add_argument("--dataset", help="dataset to evaluate on; default: the run's own")
    parser.add_argument("--root", type=Path, help="folder of --dataset")
    parser.add_argument(
        "--out", type=Path, help="folder for predictions.json; default: beside the checkpoint"
    )
    parser.add_argument("--per-class", action="store_true", help="AP of every category")
    parser.add_argument("--boundary", action="store_true", help="boundary AP too; slower")
    parser.add_argument("--voc", action="store_true", help="AP50 and AP75 as PASCAL VOC has them")
    parser.add_argument(
        "--situations",
        action="store_true",
        help="of scenes: objects like their background, and overlapping ones, beside the split",
    )
    parser.add_argument(
        "--submission", action="store_true", help="write the zip that COCO's server takes"
    )
    parser.add_argument(
        "--algorithm", metavar="NAME", help="method's name in the zip's; default: the method's"
    )
    parser.add_argument(
        "--rescoring",
        choices=[*RESCORINGS, "both"],
        help="whether masks change the scores of detections; both compares; default: the run's own",
    )


def run(options: argparse.Namespace) -> int:
    """Print the scores and write the predictions."""
    several = len(options.checkpoints) > 1
    if several and options.out is not None:
        raise InputError("--out is for one run, whose predictions it takes; leave it out.")
    if options.rescoring == "both":
        for name in ALONE:
            if vars(options)[name]:
                option = name.replace("_", "-")
                raise InputError(f"--rescoring both compares mask AP alone; leave --{option} out.")
        _compare_rescorings(options)
        return 0
    for place in options.checkpoints:
        if several:
            print(f"{place}:")
        _evaluate(place, options)
    return 0


def _compare_rescorings(options: argparse.Namespace) -> None:
    with importing():
        from experiments.checkpoints.evaluate import evaluate_checkpoint
        from experiments.reporting.scores_text import rescorings_text

    found, files = {}, []
    for place in options.checkpoints:
        of_run = {}
        for name in RESCORINGS:
            (one,) = evaluate_checkpoint(
                place, options.dataset, options.root, [options.split], options.out, rescoring=name
            )
            if one.scores is None:
                raise InputError(
                    f"{one.split.name} has no annotations here, so that there is nothing to "
                    "compare; choose another split."
                )
            of_run[name] = one.scores.metrics["segm/AP"]
            files.append(one.predictions)
        found[str(place)] = of_run
    print(rescorings_text(found), end="")
    for file in files:
        print(file)


def _evaluate(place: Path, options: argparse.Namespace) -> None:
    with importing():
        from boxseg.data.scenes.style import SITUATIONS
        from boxseg.engine.evaluation import KINDS
        from experiments.checkpoints.evaluate import evaluate_checkpoint
        from experiments.checkpoints.submission import write_submission
        from experiments.reporting.scores_text import (
            classes_text,
            scores_text,
            splits_text,
            voc_text,
        )

    situations = [name for name in SITUATIONS if options.situations and name != options.split]
    first, *others = evaluate_checkpoint(
        place,
        options.dataset,
        options.root,
        [options.split, *situations],
        options.out,
        [*KINDS, "boundary"] if options.boundary else KINDS,
        options.rescoring,
    )
    scores = first.scores
    if scores is None:
        print(f"{first.split.name} has no annotations here: nothing scored")
    else:
        print(scores_text(scores.metrics, scores.area_ranges), end="")
        if options.voc or first.config.dataset.name.startswith("voc"):
            print(voc_text(scores.voc), end="")
        if options.per_class:
            print(classes_text(scores.classes), end="")
    if options.situations:
        table = {e.split.name: e.scores.metrics for e in (first, *others) if e.scores is not None}
        print(splits_text(table), end="")
    if options.submission:
        algorithm = options.algorithm or first.config.method
        folder = first.predictions.parent
        zipped = write_submission(first.predictions, first.split, algorithm, folder)
        print(f"{zipped} ({zipped.stat().st_size / 1e6:.1f} MB)")
    for evaluated in (first, *others):
        print(evaluated.predictions)
