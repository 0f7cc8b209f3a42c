from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reports.definition import TableDefinition, load_definition
from reports.formats.latex import comment, render_latex, text
from reports.status import RunKey, RunStatus, State
from tests.reports.fixture_reports import FIXTURE, TABLES, reports_of

# Every character that LaTeX gives a meaning, letters with accents, and some that it cannot set.
HOSTILE = "\\ { } & % $ # _ ~ ^ < > | \" ' ` [a] -1 ± × − – … ≤ τ é Ü ç å ñ ř 漢 \u0000 \u200b 🙂"


def compile_pdf(folder: Path, *inputs: str) -> str:
    """Typeset some LaTeX with booktabs and graphicx; give what TeX said."""
    for program in ("pdflatex", "kpsewhich"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (Debian: texlive-latex-recommended)")
    for package in ("booktabs.sty", "graphicx.sty"):
        if subprocess.run(["kpsewhich", package], capture_output=True).returncode:
            pytest.skip(f"TeX has no {package} (Debian: texlive-latex-recommended)")
    lines = ["\\documentclass{article}", "\\usepackage{booktabs}", "\\usepackage{graphicx}"]
    lines += ["\\begin{document}", *inputs, "\\end{document}"]
    (folder / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 0
    return done.stdout


def test_special_characters() -> None:
    assert text("50% of A&B_c #1 $x {y}") == r"50\% of A\&B\_c \#1 \$x \{y\}"
    assert text("a\\b ~ ^") == r"a\textbackslash{}b \textasciitilde{} \textasciicircum{}"
    assert text("37.0 ± 1.4") == r"37.0 $\pm$ 1.4"
    assert text("é Ü ç") == r"\'{e} \"{U} \c{c}"
    assert text("漢") == "?"
    assert text('the "claim" ("x")') == "the ``claim'' (``x'')"


def test_minus_signs_are_not_hyphens() -> None:
    assert text("-0.1 [-2.0, 3.0]") == "$-$0.1 [$-$2.0, 3.0]"
    assert text("R-50 and test-dev, 2026-11-22, Lite-0") == "R-50 and test-dev, 2026-11-22, Lite-0"


def test_comments_stay_comments() -> None:
    assert comment("a\nb \\end{document}") == "% a b \\end{document}"


def test_rows_and_their_heads() -> None:
    latex = render_latex(reports_of(FIXTURE).tables[0])
    lines = latex.splitlines()
    assert lines[0] == "% Needs \\usepackage of booktabs and graphicx."
    assert " & \\multicolumn{2}{c}{AP 1x} & \\multicolumn{2}{c}{AP 3x} \\\\" in lines
    assert "\\cmidrule(lr){2-3}\\cmidrule(lr){4-5}" in lines
    (row,) = (line for line in lines if line.startswith("BoxSeg: QAM + PC &"))
    assert re.fullmatch(
        r"BoxSeg: QAM \+ PC & 33\.1 & 3\d\.\d \$\\pm\$ \d\.\d \[\d+\.\d, \d+\.\d\] \(n=3\) "
        r"& 35\.6 & .*\\\\",
        row,
    )
    for fact in ("BoxSeg paper Tab.3", "synthetic", "boxseg report table3", "2000-01-03"):
        assert fact in latex


@pytest.mark.parametrize("place", range(3))
def test_tables_with_claims_compile_and_fit(tmp_path: Path, place: int) -> None:
    found = reports_of(FIXTURE)
    said = compile_pdf(tmp_path, render_latex(found.tables[place], found.assessments))
    assert "Overfull" not in said


@pytest.mark.parametrize("name", ["table1", "table2", "table7", "coco-photos"])
def test_wide_and_empty_tables_compile(tmp_path: Path, build: Any, name: str) -> None:
    latex = render_latex(build(load_definition(TABLES / f"{name}.yaml")))
    assert "Overfull" not in compile_pdf(tmp_path, latex)


def test_a_paper_scale_table_compiles(
    tmp_path: Path, put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(scale="paper", dataset="coco", metrics={"segm/AP": 30.5})
    latex = render_latex(build(table3, "paper"))
    assert "& 31.0 & 30.5 & $-$0.5 & 32.5 & not run &  \\\\" in latex
    assert "Overfull" not in compile_pdf(tmp_path, latex)


def test_a_narrow_table_needs_booktabs_alone(
    tmp_path: Path, put_result: Any, build: Any, all_available: TableDefinition
) -> None:
    put_result()
    latex = render_latex(build(all_available))
    assert latex.startswith("% Needs \\usepackage of booktabs.\n")
    assert "resizebox" not in latex
    assert "Overfull" not in compile_pdf(tmp_path, latex)


def test_no_text_breaks_it(
    tmp_path: Path, put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result().write_text("{")
    rows = (
        table3.rows[0].model_copy(update={"label": f"[{HOSTILE}", "note": HOSTILE}),
        *(
            row.model_copy(update={"label": f"{row.label} {HOSTILE}", "unavailable": HOSTILE})
            for row in table3.rows[1:]
        ),
    )
    definition = table3.model_copy(
        update={"rows": rows, "caption": HOSTILE, "title": HOSTILE, "claims": ()}
    )
    statuses = {RunKey("baseline", "3x", 0): RunStatus(State.FAILED, HOSTILE + "\n" + HOSTILE)}
    latex = render_latex(build(definition, statuses=statuses))
    assert "漢" not in re.sub("(?m)^%.*$", "", latex)
    compile_pdf(tmp_path, latex)
