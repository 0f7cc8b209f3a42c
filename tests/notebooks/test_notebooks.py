"""The notebooks: their two files agree, what they show is committed, and they execute."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = (
    "01_reproduce_table3",
    "02_qualitative_comparison",
    "03_inside_qam",
    "04_inside_pc",
    "05_theory",
)
TRAINED = 4 * 300 + 4 * 4
"""Steps in all of the notebooks' runs: what they cost on any machine, however busy it is."""
LARGEST = 1_500_000
"""Bytes of a committed notebook with all that it shows."""
HANGS = 1800
"""Seconds after which a cell is given up; tests beside it may make it slow."""


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def stored(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_here() -> None:
    for suffix in ("py", "ipynb"):
        assert tuple(sorted(file.stem for file in NOTEBOOKS.glob(f"*.{suffix}"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_files_hold_the_same_cells(name: str) -> None:
    assert cells(stored(name)) == cells(jupytext.read(NOTEBOOKS / f"{name}.py"))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_cells_show_is_committed(name: str) -> None:
    notebook = stored(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(output.output_type != "error" for cell in code for output in cell.outputs)
    assert code[-1].outputs, f"the last cell of {name} shows nothing"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_names_no_folder_of_the_machine_and_is_small(name: str) -> None:
    file = NOTEBOOKS / f"{name}.ipynb"
    assert file.stat().st_size < LARGEST
    text = file.read_text(encoding="utf-8")
    for folder in ("/home/", "/root/", "/tmp/", "/work/", "/Users/", "site-packages"):
        assert folder not in text


@pytest.mark.parametrize("name", NAMES)
def test_no_logic_and_a_word_before_every_cell(name: str) -> None:
    notebook = stored(name)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for word in ("def ", "class ", "while ", "lambda "):
                assert word not in cell.source


@pytest.mark.slow
def test_all_execute_and_train_no_more_than_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing: data and runs are made here, by the first notebook that needs them."""
    runs = tmp_path / "runs"
    monkeypatch.setenv("BOXSEG_NOTEBOOK_RUNS", str(runs))
    monkeypatch.setenv("BOXSEG_DATA", str(tmp_path / "data"))
    for name in NAMES:
        # Half of them as from an editor in the folder, half as from the root.
        folder = NOTEBOOKS if NAMES.index(name) % 2 else NOTEBOOKS.parent
        client = NotebookClient(
            stored(name), timeout=HANGS, resources={"metadata": {"path": str(folder)}}
        )
        done = client.execute()
        outputs = [cell.outputs for cell in done.cells if cell.cell_type == "code"]
        assert any(outputs), name
        assert outputs[-1], f"the last cell of {name} shows nothing"
    logged = [file.read_text().splitlines() for file in runs.rglob("metrics.jsonl")]
    assert sum(json.loads(lines[-1])["iteration"] for lines in logged) == TRAINED
