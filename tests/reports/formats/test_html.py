from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from reports.definition import TableDefinition
from reports.formats.html import cell_id, render_html, render_html_section
from reports.status import RunKey, RunStatus, State
from tests.reports.fixture_reports import FIXTURE, reports_of

EMPTY = {"col", "br"}


class Document(HTMLParser):
    """Checks that tags are closed in order; collects elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("place", range(3))
def test_it_is_well_formed_and_accessible(place: int) -> None:
    found = reports_of(FIXTURE)
    table = found.tables[place]
    document = Document(render_html(table))
    assert document.elements[0][0] == "table"
    assert len(document.all("caption")) == 1
    assert all(
        head.get("scope") in ("col", "colgroup", "row", "rowgroup") for head in document.all("th")
    )
    ids = [cell["id"] for cell in document.all("td") if "id" in cell]
    assert len(ids) == len(set(ids)) == len(table.cells)
    assert cell_id(table.name, *(part for part in _first(table))) in ids
    # A heading spans its columns, so that every line has equally many.
    lines = len(table.definition.rows)
    assert len(document.all("td")) == lines * sum(
        int(head.get("colspan") or 0) for head in document.all("th")
    )
    section = Document(render_html_section(table, found.assessments))
    assert len([one for one in section.all("tr") if "data-claim" in one]) == len(
        table.definition.claims
    )


def _first(table: Any) -> tuple[str, str, str]:
    cell = table.cells[0]
    return cell.row, cell.column, cell.metric


def test_the_id_of_a_cell() -> None:
    assert cell_id("table3", "qam-pc", "1x", "segm/AP") == "cell-table3-qam-pc-1x-segm/AP"


def test_no_text_becomes_markup(put_result: Any, build: Any, table3: TableDefinition) -> None:
    hostile = "<script>alert('x')</script> & \"quoted\""
    put_result().write_text("{")
    row = table3.rows[0].model_copy(update={"label": hostile, "note": hostile})
    definition = table3.model_copy(
        update={"rows": (row,), "title": hostile, "caption": hostile, "claims": ()}
    )
    statuses = {RunKey("baseline", "3x", 0): RunStatus(State.FAILED, hostile)}
    table = build(definition, statuses=statuses)
    for text in (render_html(table), render_html_section(table)):
        document = Document(text)
        assert not document.all("script")
        assert hostile in document.text


def test_scale_and_source_stand_in_it(put_result: Any, build: Any, table3: TableDefinition) -> None:
    put_result()
    text = render_html(build(table3))
    assert "ours (mini: scenes, EfficientNet-Lite0)" in text
    assert "paper (COCO val, ResNet-50-FPN)" in text
    assert 'title="BoxSeg paper Tab.3 [inferred: backbone, split]">31.0</td>' in text
    assert 'data-runs="mini/table3/baseline/1x/seed0">36.8</td>' in text
