"""Neighbouring rows of the tables differ in what they name, and in nothing that is not listed.

`neighbouring_rows.yaml` has, for every two rows of tables 3 to 8 that follow one another, the keys
in which their configurations at mini scale differ. A key stands for all below it where one row has
another component there than the other, or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from experiments.configuration.choices import PARTS
from experiments.configuration.compose import unresolved
from experiments.configuration.composition import NOT_IDENTITY
from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions

EXPECTED = yaml.safe_load(Path(__file__).with_name("neighbouring_rows.yaml").read_text("utf-8"))

ELSEWHERE = {"model", *NOT_IDENTITY} - set(PARTS)
"""Keys that change nothing, or hold what the parts hold."""


def configuration(run: Run) -> dict[str, Any]:
    """All that changes what a run computes, every part once."""
    content = run.of_cell.content()
    written = OmegaConf.to_container(unresolved(run.cell_words), resolve=False)
    assert isinstance(written, dict)
    own = {
        key: without_parts(value, written.get(key))
        for key, value in content.items()
        if key not in ELSEWHERE
    }
    # What is left out is there in another place: the parts are all that the model is made of.
    assert str(written["model"]) == "${step}"
    return own


def without_parts(node: Any, written: Any) -> Any:
    """A value as it is written where that is a part, and without those below it."""
    if isinstance(written, str):
        return written if refers_to_a_part(written) else node
    if not isinstance(node, dict) or not isinstance(written, dict):
        return node
    return {
        key: without_parts(value, written.get(key))
        for key, value in node.items()
        if not refers_to_a_part(written.get(key))
    }


def refers_to_a_part(written: Any) -> bool:
    if not isinstance(written, str) or not written.startswith("${"):
        return False
    first, _, _ = written.removeprefix("${").partition(".")
    return first.rstrip("}") in PARTS


def differences(first: Any, second: Any, place: str = "") -> Iterator[str]:
    if first == second:
        return
    same_kind = isinstance(first, dict) and isinstance(second, dict)
    if not same_kind or first.get("_target_") != second.get("_target_"):
        yield place
        return
    for key in sorted(first.keys() | second.keys()):
        yield from differences(
            first.get(key), second.get(key), f"{place}.{key}" if place else str(key)
        )


@pytest.mark.parametrize("table", [f"table{number}" for number in range(3, 9)])
def test_neighbouring_rows_differ_as_listed(table: str) -> None:
    (definition,) = definitions([table])
    for column in definition.columns:
        runs = expand(definition, "mini", 1, Path("runs"), columns=[column.name])
        assert len(runs) == len(definition.rows)
        found = {
            f"{one.cell.row}, {other.cell.row}": list(
                differences(configuration(one), configuration(other))
            )
            for one, other in pairwise(runs)
        }
        assert found == EXPECTED[table], column.name


def test_a_difference_that_nobody_named_is_found() -> None:
    (definition,) = definitions(["table3"])
    rows = ["qam", "qam-pc"]
    one, other = (
        expand(definition, "mini", 1, Path("runs"), [row], ["1x"], words)[0]
        for row, words in zip(rows, ([], ["segmenter.detector.score_threshold=0.1"]), strict=True)
    )
    found = list(differences(configuration(one), configuration(other)))
    assert found == ["copy_paste", "segmenter.detector.score_threshold"]
