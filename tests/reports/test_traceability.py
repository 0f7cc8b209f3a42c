"""Every number of every format is followed to the runs that the same file names, and recomputed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.stats

from reports.definition import TableDefinition
from tests.reports.fixture_reports import FIXTURE, NAMES, reports_of

# Cells with runs: table 3 has 8, table 4 has 7, table 6 has 5 of 3 metrics.
FILLED = {"table3": 8, "table4": 7, "table6": 15}
Shown = dict[tuple[str, str, str], str]
Runs = dict[tuple[str, str], list[str]]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return reports_of(FIXTURE).write(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def definitions() -> dict[str, TableDefinition]:
    return {table.name: table.definition for table in reports_of(FIXTURE).tables}


def scores(runs: list[str], metric: str) -> np.ndarray:
    """Read a metric from the files of runs, each of which may be named once."""
    assert len(set(runs)) == len(runs)
    files = [FIXTURE / run / "result.json" for run in runs]
    return np.array([json.loads(file.read_text())["metrics"][metric] for file in files])


def t_interval(values: np.ndarray) -> tuple[float, float]:
    error = scipy.stats.sem(values)
    return scipy.stats.t.interval(0.95, len(values) - 1, values.mean(), error)


def written(runs: list[str], metric: str) -> str:
    """Write the cell as it should read, by numpy and scipy."""
    values = scores(runs, metric)
    low, high = t_interval(values)
    spread = f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
    return f"{spread} [{low:.1f}, {high:.1f}] (n={len(values)})"


def check(definition: TableDefinition, shown: Shown, runs: Runs) -> None:
    """Compare each cell with what the runs give that are named for its row and column."""
    followed = 0
    for (label, column, metric), text in shown.items():
        row = next(row.name for row in definition.rows if row.label == label)
        if (label, column) not in runs:
            assert text in ("not run", "failed (1 diverged)")
            continue
        named = runs[label, column]
        prefix = f"mini/{definition.name}/{row}/{column}/seed"
        assert all(run.startswith(prefix) for run in named)
        assert text == written(named, metric), (label, column, metric)
        followed += 1
    assert followed == FILLED[definition.name]


def columns_of(definition: TableDefinition) -> list[tuple[str, str]]:
    return [(column.name, metric) for column in definition.columns for metric in definition.metrics]


def rows_of(definition: TableDefinition, lines: Iterator[list[str]]) -> Shown:
    """Take our numbers from lines of a label and pairs of the paper's number and ours."""
    labels = {row.label for row in definition.rows}
    return {
        (parts[0], column, metric): parts[2 + 2 * place]
        for parts in lines
        if parts and parts[0] in labels
        for place, (column, metric) in enumerate(columns_of(definition))
    }


def named_runs(lines: Iterator[str]) -> Runs:
    """Take the runs from lines such as `BoxSeg: QAM, 1x: run, run`."""
    found: Runs = {}
    for line in lines:
        match = re.fullmatch(r"(.+), (1x|3x): (mini/.+)", line)
        if match:
            label, column, runs = match.groups()
            found[label, column] = re.split(r",? ", runs)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_markdown(texts: dict[str, str], definitions: dict, name: str) -> None:
    text = re.sub(r"\\(.)", r"\1", texts[f"{name}.md"])
    table = ([part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines())
    listed = (line.removeprefix("- ").replace("`", "") for line in text.splitlines())
    check(definitions[name], rows_of(definitions[name], table), named_runs(listed))


@pytest.mark.parametrize("name", NAMES)
def test_latex(texts: dict[str, str], definitions: dict, name: str) -> None:
    text = texts[f"{name}.tex"].replace(r"$\pm$", "±")
    lines = text.splitlines()
    table = ([part.strip() for part in line.removesuffix(r"\\").split("&")] for line in lines)
    listed = (line.removeprefix("% ") for line in lines if line.startswith("% "))
    check(definitions[name], rows_of(definitions[name], table), named_runs(listed))


@pytest.mark.parametrize("name", NAMES)
def test_summary(texts: dict[str, str], definitions: dict, name: str) -> None:
    """The terminal has the first metric alone, without intervals."""
    definition = definitions[name]
    metric = definition.metrics[0]
    followed = 0
    for row in definition.rows:
        (line,) = (
            one for one in texts[f"{name}.txt"].splitlines() if one.startswith(f"{row.label}  ")
        )
        ours = re.split(r"  +", line)[2::2]
        for column, text in zip(definition.columns, ours, strict=True):
            folder = FIXTURE / "mini" / name / row.name / column.name
            runs = [
                file.parent.relative_to(FIXTURE).as_posix() for file in folder.glob("*/result.json")
            ]
            if runs:
                assert text == written(sorted(runs), metric).partition(" [")[0]
                followed += 1
    assert followed == FILLED[name] / len(definition.metrics)


class Cells(HTMLParser):
    """Collects our cells, with the runs that each names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, tuple[list[str], str]] = {}
        self.now: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "td" and given.get("class") == "ours":
            self.now = (given["id"] or "", (given.get("data-runs") or "").split())

    def handle_data(self, data: str) -> None:
        if self.now is not None:
            self.found[self.now[0]] = (self.now[1], data)

    def handle_endtag(self, tag: str) -> None:
        self.now = None


@pytest.mark.parametrize("name", NAMES)
def test_html(texts: dict[str, str], definitions: dict, name: str) -> None:
    cells = Cells()
    cells.feed(texts[f"{name}.html"])
    definition = definitions[name]
    shown: Shown = {}
    runs: Runs = {}
    for row in definition.rows:
        for column, metric in columns_of(definition):
            named, text = cells.found.pop(f"cell-{name}-{row.name}-{column}-{metric}")
            shown[row.label, column, metric] = text
            if named:
                runs[row.label, column] = named
    assert not cells.found
    check(definition, shown, runs)


@pytest.mark.parametrize("name", NAMES)
def test_csv(texts: dict[str, str], name: str) -> None:
    followed = 0
    for record in csv.DictReader(io.StringIO(texts[f"{name}.csv"])):
        numbers = [record[field] for field in record if field.startswith("ours_")]
        if not record["runs"]:
            assert numbers == [""] * 6
            assert record["n"] == "0"
            continue
        values = scores(record["runs"].split(), record["metric"])
        assert int(record["n"]) == len(values)
        wanted = (values.mean(), values.std(ddof=1), *t_interval(values))
        assert [float(number) for number in numbers[:4]] == pytest.approx(wanted, abs=1e-6)
        # Percentiles of resampled means of three: among the values, around their mean.
        low, high = map(float, numbers[4:])
        assert values.min() - 1e-6 <= low < values.mean() < high <= values.max() + 1e-6
        followed += 1
    assert followed == FILLED[name]


def test_the_paper_s_numbers(texts: dict[str, str], definitions: dict) -> None:
    published = FIXTURE.parents[2] / "reports" / "paper" / "published.csv"
    with published.open(newline="") as file:
        printed = {
            (line["table"], line["metric"], line["value"], line["source"])
            for line in csv.DictReader(file)
        }
    followed = 0
    for name in NAMES:
        for record in csv.DictReader(io.StringIO(texts[f"{name}.csv"])):
            if record["paper"]:
                metric = record["metric"].removeprefix("segm/")
                line = (name[-1], metric, record["paper"], record["paper_source"])
                assert line in printed
                followed += 1
    assert followed > 20


def pooled(table: str, column: str, metric: str) -> tuple[float, int]:
    """Give a run's error and its degrees of freedom, from all runs of a complete column."""
    rows = sorted((FIXTURE / "mini" / table).glob(f"*/{column}"))
    runs = [[f"{row.relative_to(FIXTURE)}/seed{k}" for k in range(3)] for row in rows]
    # A row that failed has no result.
    full = [own for own in runs if all((FIXTURE / run / "result.json").exists() for run in own)]
    found = np.array([scores(own, metric) for own in full])
    left = found - found.mean(1, keepdims=True) - found.mean(0) + found.mean()
    degrees = (len(full) - 1) * 2
    return float(np.sqrt((left**2).sum() / degrees)), degrees


def corrected(p_values: list[float], place: int) -> float:
    """Correct a p-value by Holm's steps, one after the other."""
    order = sorted(range(len(p_values)), key=lambda one: p_values[one])
    steps = [min(1.0, p_values[one] * (len(order) - rank)) for rank, one in enumerate(order)]
    return max(steps[: order.index(place) + 1])


def test_claims(texts: dict[str, str]) -> None:
    markdown = re.sub(r"\\(.)", r"\1", texts["claims.md"])
    followed = 0
    families: dict[str, list[tuple[dict[str, str], float]]] = {}
    for record in csv.DictReader(io.StringIO(texts["claims.csv"])):
        n, runs = int(record["n"]), record["runs"].split()
        assert len(runs) == 2 * n
        if n == 0:
            assert record["ours_mean"] == record["differences"] == record["p"] == ""
            continue
        folders = [
            f"mini/{record['table']}/{record[f'{side}_row']}/{record[f'{side}_column']}"
            for side in ("minuend", "subtrahend")
        ]
        assert runs == [f"{place}/seed{seed}" for place in folders for seed in (0, 1, 2)]
        metric = record["metric"]
        differences = scores(runs[:n], metric) - scores(runs[n:], metric)
        shown = [float(one) for one in record["differences"].split()]
        assert shown == pytest.approx(differences.tolist(), abs=1e-6)
        sd, degrees = pooled(record["table"], record["minuend_column"], metric)
        assert (float(record["run_sd"]), int(record["degrees"])) == (
            pytest.approx(sd, abs=1e-6),
            degrees,
        )
        error = sd * np.sqrt(2 / n)
        low, high = scipy.stats.t.interval(0.95, degrees, differences.mean(), error)
        numbers = [float(record[f"ours_{part}"]) for part in ("mean", "t_low", "t_high")]
        assert numbers == pytest.approx((differences.mean(), low, high), abs=1e-6)
        ours = f"{differences.mean():+z.2f} [{low:z.2f}, {high:z.2f}] (n={n})"
        row = f"| {record['number']} | {record['text']} |"
        (line,) = (line for line in markdown.splitlines() if line.startswith(row))
        assert f"| {ours} | {record['verdict']} |" in line
        assert f"Effects above {high:+z.1f} are excluded (sd of a run {sd:.2f}, " in line
        table = record["table"]
        minus = re.sub(r"(?<![\d.])-", "$-$", ours)
        assert f"{record['text']} & " in texts[f"{table}.tex"]
        assert rf"{minus} & \raggedright {record['verdict']} &" in texts[f"{table}.tex"]
        escaped = record["verdict"].replace("'", "&#39;")
        assert f"<td>{ours}</td><td>{escaped}</td>" in texts[f"{table}.html"]
        assert (
            f'data-claim="{record["claim"]}" data-runs="{" ".join(runs)}"'
            in (texts[f"{table}.html"])
        )
        p = float(scipy.stats.t.sf(differences.mean() / error, degrees))
        assert float(record["p"]) == pytest.approx(p, abs=1e-6)
        families.setdefault(table, []).append((record, p))
        listed = f"- {record['number']} `{record['claim']}`: " + ", ".join(f"`{r}`" for r in runs)
        assert listed in markdown
        followed += 1
    assert followed == 10 + 4 + 4
    for family in families.values():
        above = [p for _, p in family]
        for place, (record, _) in enumerate(family):
            p = corrected(above, place)
            assert float(record["p_corrected"]) == pytest.approx(p, abs=2e-6)
            against = corrected([1 - one for one in above], place)
            assert (record["verdict"] == "replicated") == (p < 0.05)
            assert (record["verdict"] == "not replicated") == (against < 0.05)
