"""Execute the notebooks and store what they show: `python -m tools.execute_notebooks [NAME...]`.

Cells are those of the `.py` files. Runs that are there already are reused, so what is stored took
the time that it says only if `runs/notebooks` was not there before.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from boxseg.files import write_text_atomically

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PAIR = {"formats": "ipynb,py:percent"}
OTHERS_WARNINGS = "ignore::FutureWarning:torch.jit._script,ignore:IProgress not found"
"""Of imports that are none of ours; they name files of this machine."""


def executed(file: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of its cells, which are run in the checkout.

    Args:
        file: the notebook as a `.py` of jupytext's percent format.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = jupytext.read(file)
    notebook.metadata = nbformat.from_dict({"jupytext": PAIR, "kernelspec": KERNEL})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # else drawn at random: every execution would change all
    client = NotebookClient(
        notebook, timeout=None, record_timing=False, resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute(env={**os.environ, "PYTHONWARNINGS": OTHERS_WARNINGS})
    notebook.metadata.pop("language_info", None)  # this interpreter's version
    nbformat.validate(notebook)
    return notebook


def main(words: Sequence[str] | None = None) -> None:
    """Execute the notebooks that are named, or all of them, and write their `.ipynb` files."""
    files = {file.stem: file for file in sorted(NOTEBOOKS.glob("*.py"))}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*files, []], help="all of them unless named")
    for name in parser.parse_args(words).names or files:
        stored = NOTEBOOKS / f"{name}.ipynb"
        write_text_atomically(stored, nbformat.writes(executed(files[name]), version=4) + "\n")
        print(f"{stored.relative_to(ROOT)}: {stored.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
