"""A process that has one checkout's packages: it is told what to do on its standard input.

Its argument and every line of input and output are JSON. The argument is a mapping with `checkout`,
`threads`, the `kind` of work and what that takes. Once it is ready it answers a first line, and
then each line [name, arguments] with a line of what came of it. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import benchmarks
import tools.read_backs  # noqa: F401 - of this tree, whatever the checkout has
from benchmarks.layouts import Layout, layout_of
from benchmarks.settings import Work


def main() -> None:
    """Do what the first argument and the standard input ask for."""
    # What else prints, prints to the errors.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        warnings.filterwarnings("ignore")
        task = json.loads(sys.argv[1])
        torch.set_num_threads(task["threads"])
        ready, told = KINDS[task["kind"]](_chosen(Path(task["checkout"])), task)
        print(json.dumps(ready), file=answers, flush=True)
        for line in sys.stdin:
            name, arguments = json.loads(line)
            print(json.dumps(told[name](**arguments)), file=answers, flush=True)


def _chosen(checkout: Path) -> Layout:
    """Make the checkout's packages those that are imported from here on.

    Raises:
        ImportError: another checkout's are.
    """
    own = Path(benchmarks.__file__).resolve().parents[1]
    others = [entry for entry in sys.path if entry and Path(entry).resolve() != own]
    sys.path[:] = [str(checkout), *others]
    import boxseg

    if Path(boxseg.__file__).resolve().parents[1] != checkout.resolve():
        raise ImportError(f"boxseg is imported from {boxseg.__file__}, not from {checkout}")
    return layout_of(checkout)


Told = dict[str, Callable[..., Any]]


def _preparation(layout: Layout, task: dict[str, Any]) -> tuple[Any, Told]:
    from benchmarks.training_steps import prepare

    work, folder = Work(**task["work"]), Path(task["folder"])
    return {method: prepare(layout, work, method, folder) for method in task["methods"]}, {}


def _training(layout: Layout, task: dict[str, Any]) -> tuple[Any, Told]:
    from benchmarks.training_steps import TrainingSteps

    work, folder = Work(**task["work"]), Path(task["folder"])
    steps = TrainingSteps(layout, work, task["method"], task["precision"], task["device"], folder)
    return None, steps.answers()


def _loading(layout: Layout, task: dict[str, Any]) -> tuple[Any, Told]:
    from benchmarks.data_path import DataPath

    return None, DataPath(layout, task["words"], task["kept_bytes"]).answers()


def _photographs(_: Layout, task: dict[str, Any]) -> tuple[Any, Told]:
    from benchmarks.data_path import write_photographs

    write_photographs(Path(task["folder"]))
    return None, {}


KINDS = {
    "preparation": _preparation,
    "training": _training,
    "photographs": _photographs,
    "loading": _loading,
}

if __name__ == "__main__":
    main()
