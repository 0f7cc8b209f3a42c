from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boxseg.errors import InputError
from reports.claims import assess
from reports.definition import load_definition
from reports.figures.effects import effect_figures
from reports.reproduction.answer import BEGIN, END, render_answer, with_answer
from reports.results import read_results
from reports.table import Table

TABLES = Path(__file__).parents[3] / "experiments" / "conf" / "table"


@pytest.fixture
def answer(runs: Path, build: Callable[..., Table]) -> Callable[[], str]:
    """Give a function that answers from what runs of tables 3 and 4 there are."""

    def answer() -> str:
        tables = [build(load_definition(TABLES / f"table{number}.yaml")) for number in (3, 4)]
        results = read_results(runs)
        verdicts = [one for table in tables for one in assess(table, results.frame)]
        figures = effect_figures(tables[:1], verdicts)
        figure = figures[0] if figures else None
        following = "6 more take about 2 h: boxseg reproduce table3"
        return render_answer(tables, verdicts, results, figure, "docs/one.png", following)

    return answer


def test_it_has_the_table_the_verdicts_and_what_comes_next(
    answer: Callable[[], str], put_result: Callable[..., Path]
) -> None:
    for seed, difference in enumerate((3.2, 3.1, 3.0)):
        for row, more in (("baseline", 0.0), ("qam", difference)):
            put_result(row=row, seed=seed, metrics={"segm/AP": 36 + more}, config_sha256=row)
    text = answer()
    words = " ".join(text.split())
    assert "**1 replicated**, **17 not run**. Behind them are 6 runs" in words
    assert "| BoxSeg: QAM | 33.0 | 39.1 ± 0.1" in text
    assert "| Claims of | replicated | not run |" in text
    assert "| Table 3 | 1 | 9 |" in text and "| Table 4 |  | 8 |" in text
    assert "qam over baseline, 1x: paper +2.0, ours +3.1" in text and "](docs/one.png)" in text
    assert text.endswith("6 more take about 2 h:\n`boxseg reproduce table3`\n")


def test_without_a_run_it_says_so(answer: Callable[[], str]) -> None:
    text = answer()
    assert "**18 not run**. Behind them are 0 runs, the newest of none." in " ".join(text.split())
    assert "![" not in text


def test_it_takes_the_place_between_its_marks() -> None:
    page = f"# Title\n\n{BEGIN}\nold \\1\n{END}\n\nmore\n"
    once = with_answer(page, "new \\1\n")
    assert once == f"# Title\n\n{BEGIN}\nnew \\1\n{END}\n\nmore\n"
    assert with_answer(once, "new \\1\n") == once


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}\n", 2 * f"{BEGIN}\n{END}\n"])
def test_a_page_without_that_place(page: str) -> None:
    with pytest.raises(InputError, match="no place for the answer"):
        with_answer(page, "new")
