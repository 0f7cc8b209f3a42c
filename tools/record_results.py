"""Copy finished runs' results into reports/results: `python -m tools.record_results RUNS`.

Only what can be traced is recorded: a result of a commit, without uncommitted changes. With
`--logs TABLE ...` the training logs of those tables go along, for the figures. A run whose folder
is a link to another table's is recorded for each, under its own name: records need no links.

With `--repeats` the runs are those of recorded cells, done again on another processor. They go to
`repeats/<processor>` in the folder of what they repeat, and tell how far a processor's results are
from another's.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from boxseg.files import read_json, write_json_atomically, write_text_atomically
from reports.result_file import RESULT_FILE, RefusedResult, load_result
from reports.results import REPEATS

RECORDED = Path(__file__).resolve().parents[1] / "reports" / "results"
LOG_FILE = "metrics.jsonl"


def _finished(runs: Path) -> Iterator[tuple[Path, Path]]:
    """Give place and result of each finished run below a folder; not of those moved aside."""
    for file in sorted(runs.glob(f"*/*/*/*/seed*/{RESULT_FILE}")):
        place = file.parent.relative_to(runs)
        if not any(part.startswith(".") for part in place.parts):
            yield place, file


def record_repeats(runs: Path, recorded: Path) -> list[str]:
    """Copy runs of recorded cells from another processor; a line for every result left out.

    Args:
        runs: folder of the runs, `<scale>/<table>/<row>/<column>/seed<k>/`.
        recorded: folder that has the records of what is repeated.
    """
    left_out = []
    for place, file in _finished(runs):
        if file.parent.is_symlink():
            continue  # another cell's
        try:
            again, first = load_result(file), load_result(recorded / place / RESULT_FILE)
        except RefusedResult as refusal:
            left_out.append(f"{place}: {refusal}")
            continue
        processor = again.environment.processor
        why = ""
        if again.git.dirty:
            why = "uncommitted changes"
        elif (again.config_sha256, again.seed) != (first.config_sha256, first.seed):
            why = "is of another configuration than the record"
        elif processor == first.environment.processor:
            why = f"the record is of a {processor}, too"
        if why:
            left_out.append(f"{place}: {why}")
            continue
        name = re.sub(r"[^a-z0-9]+", "-", processor.lower()).strip("-")
        target = recorded / place / REPEATS / name / RESULT_FILE
        write_text_atomically(target, file.read_text())
    return left_out


def record(runs: Path, recorded: Path, tables_with_logs: frozenset[str]) -> list[str]:
    """Copy what may be recorded; returns a line for every result that was left out.

    Args:
        runs: folder of the runs, `<scale>/<table>/<row>/<column>/seed<k>/`.
        recorded: folder to copy to, in the same layout.
        tables_with_logs: names of the tables whose training logs are copied too.
    """
    left_out = []
    for place, file in _finished(runs):
        try:
            result = load_result(file)
        except RefusedResult as refusal:
            left_out.append(f"{place}: {refusal}")
            continue
        _, table, row, column, _ = place.parts
        own = {"table": table, "row": row, "column": column} if file.parent.is_symlink() else {}
        belongs = result.model_copy(update=own).place
        if result.git.dirty or belongs != place.as_posix():
            why = "uncommitted changes" if result.git.dirty else f"belongs in {result.place}"
            left_out.append(f"{place}: {why}")
            continue
        if own:
            content = read_json(file) | own | {"trained_as": result.place.partition("/")[2]}
            write_json_atomically(recorded / place / RESULT_FILE, content)
        else:
            write_text_atomically(recorded / place / RESULT_FILE, file.read_text())
        if table in tables_with_logs:
            log = (file.parent / LOG_FILE).read_text()
            write_text_atomically(recorded / place / LOG_FILE, log)
    return left_out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--logs", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--repeats", action="store_true")
    options = parser.parse_args()
    if options.repeats:
        left_out = record_repeats(options.runs, RECORDED)
    else:
        left_out = record(options.runs, RECORDED, frozenset(options.logs))
    print("\n".join(left_out) or "all recorded")
