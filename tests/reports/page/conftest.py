from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reports.claims import assess
from reports.definition import TableDefinition, load_definition
from reports.figures.figure import Figure
from reports.page.document import GalleryImage, Panel
from reports.page.write import write_page
from reports.results import read_results
from reports.table import Table

TABLES = Path(__file__).parents[3] / "experiments" / "conf" / "table"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 200" width="900pt" height="200pt">'
    '<rect id="{name}-box" width="900" height="200" fill="none" stroke="currentColor"/>'
    '<text x="20" y="50" fill="currentColor">AP</text></svg>'
)


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (48, 32), (shade, 90, 120)).save(file, "PNG")
    return file.getvalue()


def figure(name: str, words: str = "Effects of the claims") -> Figure:
    return Figure(name, words, f"{words}: caption", f"{words}: alt", SVG.format(name=name), png(0))


@pytest.fixture
def gallery() -> tuple[GalleryImage, ...]:
    """Three images; the last one has no panel of BoxSeg."""
    methods = ("image", "BoxInst", "BoxSeg")
    return tuple(
        GalleryImage(
            f"scene {number}",
            f"caption of scene {number}",
            tuple(
                Panel(
                    method,
                    f"{method} of scene {number}",
                    png(40 * number + place),
                    drawn=method != "image",
                )
                for place, method in enumerate(methods[: 2 if number == 2 else 3])
            ),
        )
        for number in range(3)
    )


@pytest.fixture
def some_runs(put_result: Callable[..., Path]) -> None:
    """Three seeds of two rows of table 3, with their logs."""
    for seed in range(3):
        for row, score in (("baseline", 36.0 + seed), ("qam", 37.2 + 0.9 * seed)):
            path = put_result(row=row, seed=seed, metrics={"segm/AP": score})
            path.with_name("log.txt").write_text("done\n")


@pytest.fixture
def page(
    runs: Path, build: Callable[..., Table], tmp_path: Path, gallery: tuple[GalleryImage, ...]
) -> Callable[..., Path]:
    """Give a function that writes the page of tables 1 and 3, or of other definitions."""

    def page(
        *definitions: TableDefinition, out: Path = tmp_path / "out", runs_root: Path | None = runs
    ) -> Path:
        chosen = definitions or [load_definition(TABLES / f"table{n}.yaml") for n in (1, 3)]
        tables = [build(definition) for definition in chosen]
        results = read_results(runs)
        verdicts = [one for table in tables for one in assess(table, results.frame)]
        figures = [figure("effects"), figure("curves", "Training curves")]
        return write_page(out, tables, verdicts, figures, gallery, results, runs=runs_root)

    return page
