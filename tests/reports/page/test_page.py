from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from boxseg.errors import InputError
from reports.definition import TableDefinition
from reports.page.write import write_page
from reports.results import read_results
from reports.table import Table
from tests.reports.page.conftest import figure
from tests.reports.page.document import read

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script></style>"

WritePage = Callable[..., Path]


def test_nothing_is_loaded_from_elsewhere(page: WritePage, some_runs: None) -> None:
    document = read(page())
    for tag, attributes in document.elements:
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,"), tag
        if tag == "link":
            assert attributes["href"] == "data:,"
        if "href" in attributes:
            assert "//" not in attributes["href"], attributes["href"]
        for name in ("srcset", "data", "action", "formaction", "poster", "background"):
            assert name not in attributes, tag
    styles = " ".join([*re.findall(r"<style>(.*?)</style>", document.text, re.DOTALL)])
    assert "@import" not in styles and "url(" not in styles


def test_the_policy_forbids_all_but_the_page_s_own_script(page: WritePage) -> None:
    document = read(page())
    (policy,) = [
        one["content"]
        for one in document.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    (script,) = re.findall(r"<script>(.*?)</script>", document.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_identifiers_are_unique_and_every_link_within_the_page_leads_somewhere(
    page: WritePage, some_runs: None
) -> None:
    document = read(page())
    counts = Counter(one["id"] for _, one in document.elements if "id" in one)
    assert [name for name, count in counts.items() if count > 1] == []
    targets = [one["href"][1:] for one in document.all("a") if one["href"].startswith("#")]
    assert any(target.startswith("cell-table3-qam-1x") for target in targets)
    assert [target for target in targets if target not in counts] == []
    named = " ".join(
        one[name]
        for _, one in document.elements
        for name in ("aria-labelledby", "aria-describedby", "for")
        if name in one
    )
    assert [name for name in named.split() if name not in counts] == []


def test_every_picture_says_what_it_shows(page: WritePage) -> None:
    document = read(page())
    assert len(document.all("img")) == 8
    assert all(one["alt"] and one["width"] == "48" for one in document.all("img"))
    drawings = [one for one in document.all("div") if one.get("role") == "img"]
    assert [one["aria-label"] for one in drawings] == [
        "Effects of the claims: alt",
        "Training curves: alt",
    ]


def test_headings_go_down_one_step_at_a_time(page: WritePage, some_runs: None) -> None:
    levels = [int(tag[1]) for tag, _ in read(page()).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_words_are_never_markup(
    page: WritePage,
    table3: TableDefinition,
    build: Callable[..., Table],
    runs: Path,
    tmp_path: Path,
) -> None:
    rows = tuple(row.model_copy(update={"label": HOSTILE}) for row in table3.rows)
    claims = tuple(
        claim.model_copy(update={"text": HOSTILE, "source": HOSTILE}) for claim in table3.claims
    )
    hostile = table3.model_copy(
        update={"title": HOSTILE, "caption": HOSTILE, "rows": rows, "claims": claims}
    )
    document = read(page(hostile))
    assert len(document.all("img")) == 8 and len(document.all("script")) == 1
    assert not any("onerror" in one for _, one in document.elements)
    assert document.shown.count("<img src=x onerror=alert(1)>") > len(rows)

    written = write_page(
        tmp_path / "other", [], [], [figure("f", HOSTILE)], (), None, command=HOSTILE
    )
    assert read(written).all("img") == []


def test_the_same_input_gives_the_same_bytes(
    page: WritePage, some_runs: None, tmp_path: Path
) -> None:
    first = page().read_bytes()
    assert page().read_bytes() == first
    assert page(out=tmp_path / "out2").read_bytes() == first  # relative links, so no folder's name


def test_logs_are_linked_where_they_are_on_this_disk(page: WritePage, some_runs: None) -> None:
    written = page()
    hrefs = {one["href"] for one in read(written).all("a") if not one["href"].startswith("#")}
    logs = {href for href in hrefs if href.endswith("log.txt")}
    assert len(logs) == 6
    for href in hrefs:
        assert (written.parent / unquote(href)).is_file(), href


def test_runs_that_are_elsewhere_are_named(page: WritePage, some_runs: None) -> None:
    document = read(page(runs_root=None))
    assert "mini/table3/qam/1x/seed2" in document.shown
    assert all(one["href"].startswith("#") for one in document.all("a"))


def test_verdicts_count_every_claim_shown(page: WritePage, some_runs: None) -> None:
    document = read(page())
    found = dict(
        re.findall(r"(\S) (?:replicated|not run) (\d+)", document.shown.split("Claims")[0])
    )
    # 1.2, 1.1 and 1.0 AP between the two rows with runs; all other claims lack a row.
    assert found["✔"] == "1"
    assert document.shown.count("not run") > 20
    assert "+1.10" in document.shown


def test_a_changed_result_changes_the_page(
    page: WritePage, some_runs: None, put_result: Callable[..., Path]
) -> None:
    before = page().read_text()
    put_result(row="qam", seed=1, metrics={"segm/AP": 39.0})
    after = page().read_text()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert 0 < len(changed) < 20


def test_a_result_left_out_is_named(
    page: WritePage, some_runs: None, put_result: Callable[..., Path]
) -> None:
    put_result(at="mini/table3/qam/1x/seed7", row="qam", seed=0, metrics={"segm/AP": 90.0})
    (lonely := put_result(at="somewhere/else", row="qam")).write_text("{")
    shown = read(page()).shown
    assert "mini/table3/qam/1x/seed7/result.json : misplaced" in shown.replace("json:", "json :")
    assert lonely.parent.name in shown and "truncated or not JSON" in shown


@pytest.mark.parametrize("with_table", [True, False])
def test_without_any_run_the_page_says_what_to_do(
    page: WritePage,
    tmp_path: Path,
    runs: Path,
    build: Callable[..., Table],
    table3: TableDefinition,
    with_table: bool,
) -> None:
    tables = [build(table3)] if with_table else []
    results = read_results(runs) if with_table else None
    shown = read(write_page(tmp_path / "empty", tables, [], [], (), results)).shown
    assert "no runs to report yet" in shown and "make table3" in shown


def test_tables_of_two_scales_are_refused(
    build: Callable[..., Table], table3: TableDefinition, tmp_path: Path
) -> None:
    tables = [build(table3), build(table3, "smoke")]
    with pytest.raises(InputError, match=r"several scales \(mini, smoke\)"):
        write_page(tmp_path, tables, [], [], (), None)
    with pytest.raises(InputError, match="two tables of the page are named 'table3'"):
        write_page(tmp_path, [tables[0], tables[0]], [], [], (), None)
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]


def test_n_counts_the_seeds_behind_a_claim(
    page: WritePage, put_result: Callable[..., Path]
) -> None:
    def numbers(text: str) -> list[str]:
        """What stands in the last column of the claim that QAM is above the baseline at 1x."""
        (row,) = re.findall(r'<tr id="claim-3-1">(.*?)</tr>', text, re.DOTALL)
        return re.findall(r'<td class="number">([^<]*)</td>', row)[-1:]

    for row in ("baseline", "qam"):
        put_result(row=row, seed=4, metrics={"segm/AP": 36.0})
    assert numbers(page().read_text()) == ["1"]
    for seed in (1, 2):
        put_result(row="qam", seed=seed, metrics={"segm/AP": 37.0 + seed})
        put_result(row="baseline", seed=seed, metrics={"segm/AP": 36.0 - seed})
    text = page().read_text()
    assert numbers(text) == ["3"]
    assert "Seeds: 1, 2, 4." in text


def test_what_was_judged_comes_first(page: WritePage, some_runs: None) -> None:
    shown = read(page())
    claims = [one["id"] for one in shown.all("tr") if one.get("id", "").startswith("claim-")]
    judged = ["claim-3-1"]  # of QAM and the baseline at 1x, the only cells with runs
    assert claims[: len(judged)] == judged
    assert {one.rpartition("-")[0] for one in claims[:10]} == {"claim-3"}
    assert claims.index("claim-1-1") > claims.index("claim-3-10")
    tables = [one["id"] for one in shown.all("div") if one.get("id", "").startswith("table-")]
    assert tables == ["table-table3", "table-table1"]
