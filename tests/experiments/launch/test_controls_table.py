"""The table of controls: what its rows are, and that each shows what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions
from experiments.run.execute import execute
from reports.controls import NEEDED, POSITIVE, TABLE
from reports.definition import TableDefinition
from tests.experiments.command_line import result


@pytest.fixture(scope="module")
def definition() -> TableDefinition:
    return definitions([TABLE])[0]


@pytest.fixture(scope="module")
def of_row(definition: TableDefinition) -> dict[str, RunConfiguration]:
    """The configuration of every row's 1x run at mini scale."""
    runs = expand(definition, "mini", 1, Path("runs"), columns=["1x"])
    return {run.cell.row: run.of_cell for run in runs}


def test_the_gate_is_measured_at_both_lengths(definition: TableDefinition) -> None:
    columns = {
        row.name: [one.name for one in definition.columns_of(row)] for row in definition.rows
    }
    gate = {*NEEDED, *POSITIVE}
    assert gate <= columns.keys()
    assert {name for name, of_row in columns.items() if of_row == ["1x", "3x"]} == gate
    assert all(of_row == ["1x"] for name, of_row in columns.items() if name not in gate)


def test_only_the_gate_s_positive_controls_see_true_masks(
    of_row: dict[str, RunConfiguration],
) -> None:
    taught = {name for name, config in of_row.items() if config.positive_control}
    assert taught == {*POSITIVE, "oracle-varifocal"}


WHOLES = ("parts", "model", "step", "segmenter", "deviations", "replaced", "run_dir")
"""Keys whose values hold those of others once more, or are a run's own."""


def differences(first: Any, second: Any, place: str = "") -> Iterator[str]:
    """The places in which two configurations differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in first.keys() | second.keys():
            if place or key not in (
                "parts",
                "model",
                "step",
                "segmenter",
                "deviations",
                "replaced",
            ):
                yield from differences(
                    first.get(key), second.get(key), f"{place}.{key}".lstrip(".")
                )
    elif first != second:
        yield place


DETECTION = {"detection._target_", "score_power"}
"""Another detection loss, and with it the unit of its scores, in which tau is given."""


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("boxinst-varifocal", DETECTION),
        ("boxteacher-varifocal", DETECTION),
        ("oracle-varifocal", DETECTION),
        ("qam-centerness", DETECTION | {"pseudo_labels.fusion.score_threshold"}),
        ("bqr-centerness", DETECTION),
        ("varifocal-released", DETECTION | {"pseudo_labels.fusion.score_threshold"}),
        ("boxteacher-unrescored", {"rescoring"}),
        ("qam-unrescored", {"rescoring"}),
        ("boxteacher-no-affinity", {"losses.pseudo_affinity"}),
        ("qam-no-affinity", {"losses.pseudo_affinity"}),
        ("boxteacher-dice-1", {"losses.pseudo_dice.weight"}),
        ("qam-dice-1", {"losses.pseudo_dice.weight"}),
        (
            "qam-eq-1",
            {
                "losses.pseudo_dice.weight",
                "losses.pseudo_dice.warmup_iterations",
                "losses.pseudo_affinity",
            },
        ),
        ("boxteacher-unweighted", {"pseudo_labels.scoring"}),
        ("qam-unweighted", {"pseudo_labels.scoring._target_"}),
        ("tau-0.1", {"pseudo_labels.fusion.score_threshold"}),
        ("tau-0.3", {"pseudo_labels.fusion.score_threshold"}),
        (
            "qam-vote",
            {"pseudo_labels.fusion._target_", "pseudo_labels.fusion.score_threshold"},
        ),
        ("qam-agreement", {"pseudo_labels.scoring._target_"}),
        (
            "qam-confident",
            {"pseudo_labels.candidate_boxes._target_", "pseudo_labels.candidate_filter"},
        ),
        ("qam-area-k", {"pseudo_labels.candidate_count._target_"}),
        ("pc", {"copy_paste"}),
        ("pc-0.1", {"copy_paste.probability"}),
        ("pc-always", {"copy_paste.probability"}),
        ("bpma-released", {"pseudo_labels.assignment", "pseudo_labels.empty_masks"}),
        ("sim-ramp-270000", {"losses.pseudo_focal.ramp_iterations"}),
        ("boxinst-color-0.1", {"losses.box.color_threshold"}),
    ],
)
def test_a_row_differs_from_its_reference_in_what_it_is_for(
    definition: TableDefinition,
    of_row: dict[str, RunConfiguration],
    row: str,
    expected: set[str],
) -> None:
    (reference,) = (one.reference for one in definition.rows if one.name == row)
    assert reference is not None
    found = set(differences(of_row[row].content(), of_row[reference].content()))
    assert found == expected


@pytest.mark.parametrize("count", [1, 2, 5, 10, 20])
def test_a_number_of_candidates_is_all_that_is_fixed(
    of_row: dict[str, RunConfiguration], count: int
) -> None:
    fixed, adaptive = of_row[f"k-{count}"].pseudo_labels, of_row["qam"].pseudo_labels
    assert fixed is not None and adaptive is not None
    assert fixed.pop("candidate_count")["k"] == count
    rest = {key: value for key, value in adaptive.items() if key != "candidate_count"}
    assert fixed == rest


def test_every_row_s_configuration_is_another(of_row: dict[str, RunConfiguration]) -> None:
    hashes = {name: config.sha256 for name, config in of_row.items()}
    assert len(set(hashes.values())) == len(hashes)


def test_rows_that_the_paper_has_too_are_the_same_runs(of_row: dict[str, RunConfiguration]) -> None:
    (table3,) = definitions(["table3"])
    shared = {"baseline": "boxinst", "boxteacher": "boxteacher", "qam": "qam", "qam-pc": "pc"}
    for run in expand(table3, "mini", 1, Path("runs"), columns=["1x"]):
        assert run.of_cell.sha256 == of_row[shared[run.cell.row]].sha256


def test_it_takes_the_oracle_that_the_paper_s_tables_refuse(
    tmp_path: Path, definition: TableDefinition
) -> None:
    words = (f"data_dir='{tmp_path}'", "dataset.situations=[]")

    def run_of(table: TableDefinition, row: str, *more: str) -> Run:
        rows, overrides = [row], [*words, *more]
        (run,) = expand(table, "smoke", 1, tmp_path, rows, ["1x"], overrides)
        return run

    run = run_of(definition, "oracle")
    execute(run.configuration, run.cell)
    found = result(run.directory)
    assert (found["table"], found["row"]) == ("controls", "oracle")
    assert found["metrics"]["pseudo/IoU-filled"] > found["metrics"]["trivial/ellipse-IoU"]
    refused = run_of(definitions(["table3"])[0], "boxteacher", "pseudo_labels=oracle")
    with pytest.raises(InputError, match="not box-supervised"):
        execute(refused.configuration, refused.cell)
