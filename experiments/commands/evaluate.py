"""Average precision of a finished or unfinished run, on its own or another split."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and what to evaluate on."""
    parser.add_argument("checkpoint", type=Path, metavar="RUN_OR_CHECKPOINT")
    parser.add_argument("--split", help="split to evaluate on; default: the run's own")
    parser.add_argument("--dataset", help="dataset to evaluate on; default: the run's own")
    parser.add_argument("--root", type=Path, help="folder of --dataset coco-folder")
    parser.add_argument(
        "--out", type=Path, help="folder for predictions.json; default: beside the checkpoint"
    )


def run(options: argparse.Namespace) -> int:
    """Print the scores and write the predictions."""
    from experiments.evaluate_checkpoint import evaluate_checkpoint
    from experiments.scores_text import scores_text

    scores, predictions = evaluate_checkpoint(
        options.checkpoint, options.dataset, options.root, options.split, options.out
    )
    print(scores_text(scores.metrics, scores.area_ranges), end="")
    print(predictions)
    return 0
