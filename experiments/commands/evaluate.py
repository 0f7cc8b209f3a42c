"""Average precision of a finished or unfinished run or an imported checkpoint, on any split."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, what to evaluate on, and what to tell of it."""
    parser.add_argument("checkpoint", type=Path, metavar="RUN_OR_CHECKPOINT")
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


def run(options: argparse.Namespace) -> int:
    """Print the scores and write the predictions."""
    from boxseg.data.scenes.style import SITUATIONS
    from boxseg.engine.evaluation import KINDS
    from experiments.checkpoints.evaluate import evaluate_checkpoint
    from experiments.checkpoints.submission import write_submission
    from experiments.reporting.scores_text import classes_text, scores_text, splits_text, voc_text

    situations = [name for name in SITUATIONS if options.situations and name != options.split]
    first, *others = evaluate_checkpoint(
        options.checkpoint,
        options.dataset,
        options.root,
        [options.split, *situations],
        options.out,
        [*KINDS, "boundary"] if options.boundary else KINDS,
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
    return 0
