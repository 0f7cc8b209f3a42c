"""Images per second of the data path; with --against COMMIT, beside another commit's.

    python benchmarks/loading.py --against COMMIT

Two cases, both for a teacher-student method: `scenes` are the mini scale's generated images, loaded
in the process that trains; `photographs` are JPEG files as large as COCO's, decoded for every image
and resized as at the paper's scale, by one loader process. The sides take turns, and a ratio is the
median of the rounds' ratios, above 1 where this side is faster. Of scenes it is that of the CPU's
seconds; of photographs of wall time, which counts only on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as a script, whose folder is on the path and not the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.children import TREE, Child, checkout_of
from benchmarks.figures import ratio, table

THIS, BEFORE = "this", "before"
SCENES = [
    "method=boxseg",
    "scale=mini",
    "dataset=scenes",
    "dataset.source.train_images=64",
    "dataset.source.val_images=2",
    "dataset.source.situation_images=2",
]
PHOTOGRAPHS = ["method=boxseg", "scale=paper", "dataset=coco-folder", "solver.batch_size=4"]


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="COMMIT", help="time this commit beside the tree")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args(words)
    rows = []
    with contextlib.ExitStack() as kept:
        sides = {THIS: TREE}
        if options.against:
            sides[BEFORE] = kept.enter_context(checkout_of(options.against))
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
        with Child(TREE, 1, kind="photographs", folder=f"{folder}/coco") as child:
            child.ready()
        # Enough batches that those a loader has ready beforehand do not matter.
        cases = {
            "scenes": ("cpu", 40, 1 << 29, [*SCENES, f"data_dir={folder}", "workers=0"]),
            "photographs": ("wall", 6, 0, [*PHOTOGRAPHS, f"root={folder}/coco", "workers=1"]),
        }
        for name, (clock, batches, kept_bytes, asked) in cases.items():
            loading = {"words": asked, "kept_bytes": kept_bytes}
            seconds = _measured(sides, loading, clock, batches, options.rounds)
            row = {"case": name, "clock": clock}
            row |= {f"images/s {s}": f"{1 / statistics.median(t):.1f}" for s, t in seconds.items()}
            if BEFORE in seconds:
                row["ratio"] = f"{ratio(seconds[BEFORE], seconds[THIS]):.3f}"
            rows.append(row)
    print(table(rows))


def _measured(
    sides: dict[str, Path], loading: dict[str, Any], clock: str, batches: int, rounds: int
) -> dict[str, list[float]]:
    """Seconds per image, by round, of each side."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    with contextlib.ExitStack() as running:
        children = {}
        for side, checkout in sides.items():
            child = Child(checkout, 1, kind="loading", **loading)
            children[side] = running.enter_context(child)
            children[side].ready()
        for _ in range(rounds):
            for side, child in children.items():
                seconds[side].append(child.ask("batches", count=batches)[clock])
    return seconds


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so remove the checkout
    main()
