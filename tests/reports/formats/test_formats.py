from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boxseg.errors import InputError
from reports.definition import TableDefinition
from reports.formats.csv import render_csv
from reports.formats.files import write_table
from reports.formats.latex import render_latex
from reports.formats.markdown import render_markdown
from reports.paper_numbers import PaperKey
from reports.status import RunKey, RunStatus, State


def markdown_row(text: str, label: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [part.strip() for part in line.strip("|").split(" | ")][1:]


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_markdown_shows_paper_and_ours_side_by_side(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(seed=0, metrics={"segm/AP": 36.0})
    put_result(seed=1, metrics={"segm/AP": 38.0})
    put_result(column="3x")
    text = render_markdown(build(table3))
    assert markdown_row(text, "Method") == [
        "AP 1x, paper (COCO val, ResNet-50-FPN)",
        "AP 1x, ours (mini: scenes, EfficientNet-Lite0)",
        "AP 3x, paper (COCO val, ResNet-50-FPN)",
        "AP 3x, ours (mini: scenes, EfficientNet-Lite0)",
    ]
    # sd = sqrt((1 + 1) / (2 - 1)) = 1.4142; t(97.5%, 1) = 12.706, times sd / sqrt(2) = 12.706.
    assert markdown_row(text, "Box-supervised loss (BoxInst)") == [
        "31.0",
        "37.0 ± 1.4 \\[24.3, 49.7] (n=2)",
        "32.5",
        "36.8",
    ]


def test_markdown_header_says_where_the_table_comes_from(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result()
    text = render_markdown(build(table3))
    assert text.startswith("# table3: BoxSeg against BoxTeacher\n")
    for line in (
        "- Command: `boxseg reproduce table3 --scale mini`",
        "- Scale: mini: scenes, EfficientNet-Lite0",
        "- Evaluated on: scenes val",
        "- Seeds: 1 per cell",
        "- Newest run: 2026-11-22 20:36 UTC",
        "- Suite: boxseg 0.1.0, definition version 1",
        "- Commits of the runs: 0123456789",
        "- Software: Python 3.11.7, torch 2.14.1, detectron2 0.7.2, cpu",
        "- Box-supervised loss (BoxInst), 1x: `mini/table3/baseline/1x/seed0`",
        "- BoxSeg paper Tab.3 \\[inferred: backbone, split]",
        "- BoxTeacher (BPMA + MCS): not yet available: BoxTeacher is not built yet.",
    ):
        assert line in text.splitlines()
    assert "never our numbers with the paper's" in text


def test_unavailable_rows_never_show_a_number_of_ours(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    for row in table3.rows:
        for column in table3.columns:
            put_result(row=row.name, column=column.name)
    table = build(table3)
    markdown, tidy = render_markdown(table), render_csv(table)
    assert "36.8" in markdown
    for row in table3.rows[1:]:
        ours = markdown_row(markdown, row.label)[1::2]
        assert ours == ["not yet available", "not yet available"]
    for record in csv_rows(tidy):
        if record["row"] != "baseline":
            assert (record["ours_mean"], record["ours_sd"], record["n"]) == ("", "", "0")
            assert record["reason"].startswith("not yet available: ")


def test_difference_column_at_paper_scale_only(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(scale="paper", dataset="coco", metrics={"segm/AP": 30.5})
    put_result(metrics={"segm/AP": 30.5})
    at_paper = render_markdown(build(table3, "paper"))
    assert markdown_row(at_paper, "Box-supervised loss (BoxInst)") == [
        "31.0",
        "30.5",
        "-0.5",
        "32.5",
        "not run",
        "",
    ]
    assert "difference" not in render_markdown(build(table3))


def test_csv_is_tidy(put_result: Any, build: Any, table3: TableDefinition) -> None:
    put_result(seed=0, metrics={"segm/AP": 36.8})
    put_result(seed=1, metrics={"segm/AP": 37.4})
    records = csv_rows(render_csv(build(table3)))
    assert len(records) == 8
    assert records[0] == {
        "table": "table3",
        "scale": "mini",
        "row": "baseline",
        "column": "1x",
        "metric": "segm/AP",
        "paper": "31.0",
        "paper_source": "BoxSeg paper Tab.3 [inferred: backbone, split]",
        "ours_mean": "37.1",
        # sqrt(2 * 0.3^2 / (2 - 1)) = 0.424264
        "ours_sd": "0.424264",
        # 12.706205 * 0.424264 / sqrt(2) = 3.811861
        "ours_t_low": "33.288139",
        "ours_t_high": "40.911861",
        # Half of all resamples of two values are one value twice.
        "ours_bootstrap_low": "36.8",
        "ours_bootstrap_high": "37.4",
        "difference": "",
        "n": "2",
        "n_failed": "0",
        "n_diverged": "0",
        "runs": "mini/table3/baseline/1x/seed0 mini/table3/baseline/1x/seed1",
        "reason": "",
        "claims": "",
        "definition_version": "1",
        "suite_version": "0.1.0",
        "command": "boxseg reproduce table3 --scale mini",
    }
    assert records[1]["reason"] == "not run"


def test_several_metrics_of_one_run_stand_side_by_side(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    baseline = table3.rows[0].model_copy(update={"paper_row": None})
    both = table3.model_copy(
        update={"metrics": ("segm/AP", "bbox/AP"), "rows": (baseline,), "claims": ()}
    )
    put_result()
    text = render_markdown(build(both))
    assert markdown_row(text, "Method")[:4] == [
        "AP 1x AP, paper",
        "AP 1x AP, ours (mini: scenes, EfficientNet-Lite0)",
        "AP 1x box AP, paper",
        "AP 1x box AP, ours (mini: scenes, EfficientNet-Lite0)",
    ]
    assert markdown_row(text, baseline.label)[:4] == ["-", "36.8", "-", "54.8"]


def test_paper_number_without_source_reads_not_found(build: Any, table3: TableDefinition) -> None:
    key = PaperKey(method="SIM + PC")
    columns = tuple(c.model_copy(update={"paper_column": PaperKey()}) for c in table3.columns)
    row = table3.rows[0].model_copy(update={"paper_row": key})
    table = build(
        table3.model_copy(
            update={"paper_table": "6", "columns": columns, "rows": (row,), "claims": ()}
        )
    )
    assert markdown_row(render_markdown(table), row.label)[0] == "not found"
    record = csv_rows(render_csv(table))[0]
    assert (record["paper"], record["paper_source"]) == ("", "not found")


def test_reasons_cannot_break_the_markdown(build: Any, table3: TableDefinition) -> None:
    reason = "bad | file\n# <b>bold</b>"
    statuses = {RunKey("baseline", "1x", 0): RunStatus(State.FAILED, reason, "a/log.txt")}
    text = render_markdown(build(table3, statuses=statuses))
    assert "seed 0: failed: bad \\| file # \\<b>bold\\</b> (log: a/log.txt)." in text
    assert markdown_row(text, "Box-supervised loss (BoxInst)")[1] == "failed"


def test_lost_runs_are_counted_beside_n(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(seed=0, metrics={"segm/AP": 36.0})
    put_result(seed=1, metrics={"segm/AP": 38.0})
    put_result(column="3x")
    failed = RunStatus(State.FAILED, "no disk space left")
    diverged = RunStatus(State.FAILED, "loss became nan at step 9", diverged=True)
    statuses = {
        RunKey("baseline", "1x", 2): diverged,
        RunKey("baseline", "1x", 3): failed,
        RunKey("baseline", "1x", 4): failed,
        RunKey("baseline", "3x", 1): diverged,
    }
    table = build(table3, statuses=statuses)
    assert [(cell.failed, cell.diverged) for cell in table.cells[:3]] == [(2, 1), (0, 1), (0, 0)]
    ours = markdown_row(render_markdown(table), "Box-supervised loss (BoxInst)")[1::2]
    assert ours == [
        "37.0 ± 1.4 \\[24.3, 49.7] (n=2, 2 failed, 1 diverged)",
        "36.8 (n=1, 1 diverged)",
    ]
    record = csv_rows(render_csv(table))[0]
    assert (record["n"], record["n_failed"], record["n_diverged"]) == ("2", "2", "1")
    for text in (render_markdown(table), render_latex(table)):
        assert "failed or diverged have no score" in " ".join(text.split())


def test_a_cell_whose_runs_were_all_lost_says_how(build: Any, table3: TableDefinition) -> None:
    failed = RunStatus(State.FAILED, "no disk space left")
    diverged = RunStatus(State.FAILED, "loss became nan at step 9", diverged=True)
    statuses = {
        RunKey("baseline", "1x", 0): failed,
        RunKey("baseline", "1x", 1): diverged,
        RunKey("baseline", "3x", 0): failed,
    }
    text = render_markdown(build(table3, statuses=statuses))
    ours = markdown_row(text, "Box-supervised loss (BoxInst)")[1::2]
    assert ours == ["failed (1 failed, 1 diverged)", "failed"]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(label=st.text(min_size=1), reason=st.text())
def test_no_text_breaks_the_shape_of_the_markdown_table(
    build: Any, table3: TableDefinition, label: str, reason: str
) -> None:
    row = table3.rows[0].model_copy(update={"label": label})
    definition = table3.model_copy(update={"rows": (row,), "claims": ()})
    statuses = {RunKey("baseline", "1x", 0): RunStatus(State.FAILED, reason)}
    lines = render_markdown(build(definition, statuses=statuses)).splitlines()
    table_lines = [line for line in lines if line.startswith("|")]
    assert len(table_lines) == 3
    # Five cells have six borders; what is left once escaped characters are gone.
    assert [re.sub(r"\\.", "", line).count("|") for line in table_lines] == [6, 6, 6]


def test_left_out_results_are_named_in_every_text(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result().write_text("{")
    table = build(table3)
    name = "mini/table3/baseline/1x/seed0/result.json"
    assert f"- `{name}`: truncated or not JSON" in render_markdown(table)
    assert markdown_row(render_markdown(table), "Box-supervised loss (BoxInst)")[1] == (
        "result refused"
    )


def test_rows_on_different_data_carry_a_warning(
    put_result: Any, build: Any, all_available: TableDefinition
) -> None:
    put_result()
    put_result(row="qam", dataset="coco-folder")
    warning = "different data (coco-folder val, scenes val): do not compare them"
    assert warning in render_markdown(build(all_available))


def test_same_runs_same_bytes(
    tmp_path: Path, runs: Path, put_result: Any, build: Any, table3: TableDefinition
) -> None:
    def fill(order: list[int]) -> list[bytes]:
        for seed in order:
            for column in ("1x", "3x") if seed % 2 else ("3x", "1x"):
                put_result(seed=seed, column=column, metrics={"segm/AP": 30 + seed / 7})
        put_result(seed=9).write_text("{")
        return [path.read_bytes() for path in write_table(build(table3), tmp_path / "out")]

    first = fill([0, 1, 2, 3, 4])
    runs.rename(tmp_path / "earlier")
    runs.mkdir()
    assert fill([3, 1, 4, 0, 2]) == first


def test_files_stand_in_the_folder_of_their_scale(
    tmp_path: Path, build: Any, table3: TableDefinition
) -> None:
    written = write_table(build(table3), tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "mini/table3.md",
        "mini/table3.tex",
        "mini/table3.csv",
        "mini/table3.html",
    ]
    assert sorted(path.name for path in (tmp_path / "out/mini").iterdir()) == [
        "table3.csv",
        "table3.html",
        "table3.md",
        "table3.tex",
    ]


def test_folder_that_cannot_be_made_is_named(
    tmp_path: Path, build: Any, table3: TableDefinition
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        write_table(build(table3), tmp_path / "out")
