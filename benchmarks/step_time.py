"""Seconds and peak memory of training steps, by method; with --against, beside another commit's.

    python benchmarks/step_time.py mini:128 r18:160 --against COMMIT
    python benchmarks/step_time.py r50:320 --methods boxseg --batches 2 --objects 1 7 30 100

A case is SETTING:PIXELS; the settings are in `settings.py`. A step is the trainer's, deterministic
as in a run, with the optimiser of a run; teachers are made to propose as trained ones do
(`trained_like.py`). Every side and method is a process of its own, and they take turns, so that
what else the machine does meets all of them: compare ratios, which are medians over the rounds.

`cpu` and `wall` are seconds per step, `GB` the peak memory of the process (on a GPU, of its
tensors), `before` the other commit's. `floor` is the time of the step's convolutions and products
of matrices alone, forward and backward, a teacher's among them. `/floor` and `/boxinst` are ratios
to that and to BoxInst's step (of the CPU's seconds, on a GPU of wall time), `/objects` to the step
with 7 objects or the first number given. `reads` are operations that wait for a device
(`tools/read_backs.py`). Of the teacher: candidates above the score threshold per image; valid
pseudo masks, predictions that one is made of, and pasted objects per step.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as a script, whose folder is on the path and not the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.children import TREE, Child, checkout_of
from benchmarks.figures import ratio, table
from benchmarks.settings import CASES, METHODS, Work

THIS, BEFORE = "this", "before"
OBJECTS = 7


@dataclass(frozen=True)
class Contestant:
    """One of those that take turns.

    Attributes:
        side: `THIS` or `BEFORE`.
        method, work: what is trained.
    """

    side: str
    method: str
    work: Work


@dataclass
class Measured:
    """What was measured of a contestant.

    Attributes:
        times: seconds per step by round, by clock ("cpu" or "wall").
        floor: the same of the convolutions alone, of this side.
        gigabytes: peak memory.
        read_backs: of a step.
        means: of what is logged.
    """

    times: dict[str, list[float]]
    floor: dict[str, list[float]]
    gigabytes: float = 0.0
    read_backs: int = 0
    means: dict[str, float] | None = None


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for and print a table for each case and batch."""
    options = _options(words)
    with contextlib.ExitStack() as kept:
        sides = {THIS: TREE}
        if options.against:
            sides[BEFORE] = kept.enter_context(checkout_of(options.against))
        for case in options.cases:
            for batch in options.batches:
                works = [Work.of_case(case, batch, objects) for objects in options.objects]
                print(f"\n{case}, batch {batch}, {options.precision}, {options.device}", flush=True)
                # Many numbers of objects times many methods would be many processes at once.
                apart = [[m] for m in options.methods] if len(works) > 1 else [options.methods]
                rows = [row for methods in apart for row in _rows(sides, works, methods, options)]
                print(table(rows), flush=True)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=CASES, metavar="SETTING:PIXELS")
    parser.add_argument("--against", metavar="COMMIT", help="time this commit beside the tree")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--objects", nargs="+", type=int, default=[OBJECTS], help="of an image")
    parser.add_argument("--batches", nargs="+", type=int, default=[4], help="images of a step")
    parser.add_argument("--precision", default="float32", help="float32, bfloat16 or auto")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2, help="of a round")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    options = parser.parse_args(words)
    try:
        for case in options.cases:
            Work.of_case(case, 1, 1)
    except ValueError as error:
        parser.error(str(error))
    return options


def _rows(
    sides: dict[str, Path], works: list[Work], methods: list[str], options: argparse.Namespace
) -> list[dict[str, str]]:
    contestants = [Contestant(s, m, w) for w in works for m in methods for s in sides]
    with tempfile.TemporaryDirectory() as folder:
        candidates = {w: _prepared(w, methods, Path(folder), options) for w in works}
        measured = measure(contestants, sides, Path(folder), options)
    clock = "cpu" if options.device == "cpu" else "wall"
    usual = next((w for w in works if w.objects == OBJECTS), works[0])
    rows = []
    for work in works:
        for method in methods:
            own = measured[Contestant(THIS, method, work)]
            before = measured.get(Contestant(BEFORE, method, work))
            row = {"objects": str(work.objects), "method": method}
            row |= _times_and_memory(own, before)
            if "boxinst" in methods:
                reference = measured[Contestant(THIS, "boxinst", work)].times[clock]
                row["/boxinst"] = f"{ratio(own.times[clock], reference):.2f}"
            if len(works) > 1:
                reference = measured[Contestant(THIS, method, usual)].times[clock]
                row["/objects"] = f"{ratio(own.times[clock], reference):.2f}"
            row["floor"] = f"{statistics.median(own.floor[clock]):.3f}"
            row["/floor"] = f"{ratio(own.times[clock], own.floor[clock]):.2f}"
            row["reads"] = str(own.read_backs)
            if before:
                row["reads-before"] = str(before.read_backs)
            row |= _teaching(own, work, candidates[work][method]["candidates"])
            rows.append(row)
    return rows


def _times_and_memory(own: Measured, before: Measured | None) -> dict[str, str]:
    row = {}
    for clock, times in own.times.items():
        row[clock] = f"{statistics.median(times):.3f}"
        if before:
            row[f"{clock}-before"] = f"{statistics.median(before.times[clock]):.3f}"
            row[f"{clock}-ratio"] = f"{ratio(times, before.times[clock]):.3f}"
    row["GB"] = f"{own.gigabytes:.2f}"
    if before:
        row["GB-before"] = f"{before.gigabytes:.2f}"
        row["GB-ratio"] = f"{own.gigabytes / before.gigabytes:.2f}"
    return row


def _teaching(own: Measured, work: Work, candidates: float) -> dict[str, str]:
    means = own.means or {}
    if "pseudo_valid_share" not in means:
        return {}
    row = {
        "candidates": f"{candidates:.0f}",
        "masks": f"{means['pseudo_valid_share'] * work.objects * work.batch:.1f}",
        "made-of": f"{means.get('pseudo_candidates', 0):.1f}",
    }
    if "copy_paste_pastes" in means:
        row["pastes"] = f"{means['copy_paste_pastes']:.1f}"
    return row


def _prepared(
    work: Work, methods: list[str], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    own = _folder(folder, work)
    own.mkdir()
    task = {"work": asdict(work), "methods": methods, "folder": str(own)}
    with Child(TREE, options.threads, kind="preparation", **task) as child:
        return child.ready()


def _folder(folder: Path, work: Work) -> Path:
    return folder / str(work.objects)


def measure(
    contestants: Sequence[Contestant],
    sides: dict[str, Path],
    folder: Path,
    options: argparse.Namespace,
) -> dict[Contestant, Measured]:
    """Let contestants take turns.

    Args:
        contestants: all of one case and batch.
        sides: their checkouts.
        folder: that they were prepared in.
        options: of the command line.

    Raises:
        SystemExit: two of one work were given different images, so that no ratio means anything.
    """
    untimed = 0 if options.device == "cpu" else 1
    found = {c: Measured({"cpu": [], "wall": []}, {"cpu": [], "wall": []}) for c in contestants}
    with contextlib.ExitStack() as running:
        children = {}
        for c in contestants:
            task = {
                "work": asdict(c.work),
                "method": c.method,
                "precision": options.precision,
                "device": options.device,
                "folder": str(_folder(folder, c.work)),
            }
            child = Child(sides[c.side], options.threads, kind="training", **task)
            children[c] = running.enter_context(child)
            children[c].ready()  # one after the other: getting ready takes the most memory
        _refuse_different_inputs(children)
        for _ in range(options.rounds):
            for c, child in children.items():
                taken = child.ask("steps", count=options.steps, untimed=untimed)
                for clock, seconds in taken.items():
                    found[c].times[clock].append(seconds)
                if c.side == THIS:
                    for clock, seconds in child.ask("floor", count=1).items():
                        found[c].floor[clock].append(seconds)
        for c, child in children.items():
            found[c].means = child.ask("means")
            found[c].gigabytes = child.ask("memory")
            found[c].read_backs = child.ask("read_backs")
    return found


def _refuse_different_inputs(children: dict[Contestant, Child]) -> None:
    inputs: dict[tuple[str, Work], str] = {}
    for c, child in children.items():
        digest = child.ask("inputs")
        if inputs.setdefault((c.method, c.work), digest) != digest:
            raise SystemExit(f"the two sides of {c.method} are not given the same images and boxes")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so remove the checkout
    main()
