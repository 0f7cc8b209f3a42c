"""Short runs at the mini scale for the notebooks: long enough for masks to be seen, and no more.

They are no runs of a table: fewer iterations, on fewer images, than anything that is reported.
"""

from __future__ import annotations

import os
from pathlib import Path

from experiments.configuration.compose import compose, quoted
from experiments.reporting.gallery.runs import METHODS
from experiments.run.execute import execute

ROOT = Path(__file__).resolve().parents[2]

_SHORT = (
    "scale=mini",
    "images.iterations_1x=300",
    "dataset.source.train_images=400",
    "dataset.source.val_images=40",
    "dataset.source.situation_images=20",
    "checkpoint_period=300",
)


def enter_repository() -> Path:
    """Make the checkout the working folder, wherever the notebook was started.

    Returns:
        The folder for the notebooks' runs: `BOXSEG_NOTEBOOK_RUNS`, or `runs/notebooks`.
    """
    os.chdir(ROOT)
    return Path(os.environ.get("BOXSEG_NOTEBOOK_RUNS", "runs/notebooks"))


def short_runs(folder: Path, *methods: str) -> dict[str, Path]:
    """Short runs of some methods on the same scenes; finished ones are taken as they are.

    Each is 300 steps of the mini scale.

    Args:
        folder: for the runs.
        methods: of `experiments.reporting.gallery.runs.METHODS`.

    Returns:
        Directories by the label of the method.

    Raises:
        InputError: a directory holds another run.
    """
    runs = {METHODS[method]: folder / "short" / method for method in methods}
    for method, run in zip(methods, runs.values(), strict=True):
        execute(compose([f"method={method}", *_SHORT, f"run_dir={quoted(run)}"]))
    return runs
