"""Whether a change moved a number: `python -m tools.same_numbers BEFORE AFTER` (folders of runs).

Compared to the last digit are, of every run below BEFORE, its metrics, its calibration, and all
that was logged at every step (losses, diagnostics, rates) but for times. Runs are comparable when
made on one machine, on the CPU and with one thread. A smoke run's teacher proposes nothing, so
labellers and losses on pseudo masks take a short run at mini scale, such as

    boxseg train method=boxseg scale=mini images.iterations_1x=150 dataset.source.train_images=40 \
      dataset.source.val_images=8 dataset.source.situation_images=2 run_dir=BEFORE/boxseg
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from reports.result_file import RESULT_FILE

LOG_FILE = "metrics.jsonl"
TIMES = frozenset(("seconds_per_iteration",))
"""Logged keys that tell how fast a run was."""

Numbers = dict[str, Any]


def differences(before: Path, after: Path) -> Iterator[str]:
    """A line for every run of `before` that `after` lacks or whose numbers differ there."""
    for file in sorted(before.rglob(RESULT_FILE)):
        run = file.parent.relative_to(before)
        if not (after / run / RESULT_FILE).is_file():
            yield f"{run}: not in {after}"
            continue
        pairs = zip_longest(
            _numbers(before / run), _numbers(after / run), fillvalue=("no more", {})
        )
        for (where, old), (_, new) in pairs:
            keys = [key for key in old | new if old.get(key) != new.get(key)]
            if keys:
                told = ", ".join(f"{key} {old.get(key)} -> {new.get(key)}" for key in keys[:3])
                yield f"{run}, {where}: {told}{', ...' if len(keys) > 3 else ''}"
                break


def _numbers(run: Path) -> Iterator[tuple[str, Numbers]]:
    """What a run logged, step by step, and then its result, each with its place in words."""
    for line in (run / LOG_FILE).read_text(encoding="utf-8").splitlines():
        logged: Numbers = json.loads(line)
        step = {key: value for key, value in logged.items() if key not in TIMES}
        yield f"step {logged.get('iteration')}", step
    result = json.loads((run / RESULT_FILE).read_text(encoding="utf-8"))
    yield "result", {**result["metrics"], "calibration": result.get("calibration")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    found = list(differences(options.before, options.after))
    runs = len(list(options.before.rglob(RESULT_FILE)))
    print("\n".join([*found, f"{runs - len(found)} of {runs} runs have the same numbers"]))
    sys.exit(1 if found or not runs else 0)
