"""The evidence beside the verdicts: where it comes from, and what is said where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reports.claims import assess
from reports.definition import TableDefinition, load_definition
from reports.results import read_results
from reports.table import Table
from reports.wording.why import FAMILIES, TextTable, Why, explain_verdicts
from tests.reports.fixture_reports import FIXTURE, TABLES, reports_of


@pytest.fixture(scope="module")
def of_fixture() -> dict[str, Why]:
    reports = reports_of(FIXTURE)
    found = explain_verdicts(reports.tables, reports.assessments, None, read_results(FIXTURE))
    return {one.name: one for one in found}


def lines(table: TextTable) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def metric(row: str, name: str, table: str = "table3", column: str = "1x") -> np.ndarray:
    files = sorted((FIXTURE / "mini" / table / row / column).glob("*/result.json"))
    return np.array([json.loads(file.read_text())["metrics"][name] for file in files])


def test_families_name_claims_and_controls_that_there_are() -> None:
    controls = {row.name for row in load_definition(TABLES / "controls.yaml").rows}
    for family in FAMILIES:
        assert set(family.controls) <= controls, family.name
        for name, claims in family.claims.items():
            known = {claim.id for claim in load_definition(TABLES / f"{name}.yaml").claims}
            assert known and set(claims or ()) <= known, family.name


def test_pseudo_masks_are_those_of_the_rows_that_the_claims_compare(
    of_fixture: dict[str, Why],
) -> None:
    (table,) = (one for one in of_fixture["pseudo-masks"].tables if "Pseudo" in one.caption)
    values = metric("qam", "pseudo/IoU-all")
    shown = lines(table)["table3: BoxSeg: QAM, 1x"]
    assert shown[0] == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
    assert shown[-1] == str(len(values)) == "3"
    assert not any("Box-supervised" in name for name in lines(table))  # it has no teacher


def test_differences_are_told_in_parts(of_fixture: dict[str, Why]) -> None:
    (table,) = (one for one in of_fixture["peers"].tables if "in parts" in one.caption)
    claim = lines(table)["3.5"]
    for name, head in (("segm/APl", "large"), ("bbox/AP", "box AP")):
        expected = (metric("qam-pc", name) - metric("qam", name)).mean()
        assert claim[table.head.index(head) - 1] == f"{expected:+.1f}"


def test_what_was_not_run_is_named(of_fixture: dict[str, Why]) -> None:
    assert "adaptive-k" not in of_fixture  # no table of its claims was asked for
    said = of_fixture["fusion"].sentences
    assert "In no record: how far the candidates of an object agree with one another." in said
    assert any(one.startswith("Controls that were not run: qam-vote, tau-0.1") for one in said)


def test_agreement_is_a_column_where_a_run_of_the_claims_has_it(
    put_result: Callable[..., Path], build: Callable[..., Table], runs: Path
) -> None:
    for seed in range(3):
        for row, agreement in (("bpma", None), ("bqr", None), ("bqr-qmf", 80.0 + seed)):
            metrics = {
                "segm/AP": 30.0 + seed,
                "pseudo/IoU-all": 70.0,
                "pseudo/agreement": agreement,
            }
            put_result(table="table4", row=row, column="1x", seed=seed, metrics=metrics)
    table, results = build(load_definition(TABLES / "table4.yaml")), read_results(runs)
    found = explain_verdicts([table], assess(table, results.frame), None, results)
    (fusion,) = (one for one in found if one.name == "fusion")
    (masks,) = (one for one in fusion.tables if "Pseudo" in one.caption)
    assert "; agreement: how far the candidates of an object agree" in masks.caption
    at = masks.head.index("agreement") - 1
    assert lines(masks)["table4: BQR + QMF, 1x"][at] == "81.0 ± 1.0"
    assert lines(masks)["table4: BQR, 1x"][at] == "-"
    assert not any(one.startswith("In no record") for one in fusion.sentences)
    (ranking,) = (one for one in found if one.name == "ranking")
    (others,) = (one for one in ranking.tables if "Pseudo" in one.caption)
    assert "agreement" not in others.head


def test_a_control_replaces_that_it_is_lacking(
    put_result: Callable[..., Path], build: Callable[..., Table], runs: Path
) -> None:
    def put(table: str, row: str, seed: int, ap: float) -> None:
        put_result(table=table, row=row, column="1x", seed=seed, metrics={"segm/AP": ap})

    for seed in range(3):
        put("controls", "qam", seed, 30.0)
        put("controls", "qam-vote", seed, 29.0 + 0.1 * seed)
        put("table4", "bqr", seed, 30.0 + seed)
        put("table4", "bqr-qmf", seed, 30.5 + seed)
    table4: TableDefinition = load_definition(TABLES / "table4.yaml")
    table, controls = build(table4), build(load_definition(TABLES / "controls.yaml"))
    results = read_results(runs)
    found = explain_verdicts([table], assess(table, results.frame), controls, results)
    (fusion,) = (one for one in found if one.name == "fusion")
    (said,) = (one for one in fusion.sentences if one.startswith("Control: "))
    # 29.0, 29.1, 29.2 minus 30 each: -0.9 in the mean, sd 0.1, half 4.303 x 0.1 / sqrt(3).
    assert said == (
        "Control: QAM, majority vote as released minus QAM, mask AP: 1x -0.90 [-1.15, -0.65] (n=3)."
    )
    assert not any("qam-vote" in one for one in fusion.sentences if one.startswith("Controls that"))
