from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from boxseg.errors import InputError
from reports.reproduction.statements import STATEMENTS, load_statements

REPOSITORY = Path(__file__).parents[3]
Written = Callable[[Callable[[dict[str, Any]], None]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Give a function that writes the file with a change."""

    def write(change: Callable[[dict[str, Any]], None]) -> Path:
        content = yaml.safe_load(STATEMENTS.read_text(encoding="utf-8"))
        change(content)
        path = tmp_path / "statements.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_the_checklist_is_complete() -> None:
    checklist = load_statements().checklist
    assert [one.id for one in checklist] == [f"R{number}" for number in range(1, 16)]


def test_every_file_that_is_named_exists() -> None:
    text = STATEMENTS.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+/[\w./-]*)`", text))
    assert len(named) > 20
    assert sorted(name for name in named if not (REPOSITORY / name).exists()) == []


def test_every_switch_that_is_named_stands_in_its_file() -> None:
    found = 0
    for one in load_statements().code_differences:
        switch = re.fullmatch(r"`([\w./-]+\.yaml)` \(`(\w+)`\)", one.switch or "")
        if switch is not None:
            assert switch[2] in (REPOSITORY / switch[1]).read_text(encoding="utf-8")
            found += 1
    assert found > 5


@pytest.mark.parametrize(
    "result",
    [
        "QAM adds 0.6 AP",
        "36.8 mAP came out",
        "an AP of 36.8",
        "masks had an IoU of 0.72",
        "2 points more",
        "it took 3 hours",
        "about 160 GPU hours",
        "0.36 s a step",
    ],
)
def test_a_result_typed_by_hand_is_refused(written: Written, result: str) -> None:
    path = written(lambda content: content["limits"].append(result))
    with pytest.raises(InputError, match=r"is a result typed by hand; name its record"):
        load_statements(path)


def test_settings_are_no_results(written: Written) -> None:
    said = "threshold 0.1, 10,000 iterations, 800 x 1333, 10% of the width, alpha 0.75, seed 0"
    path = written(lambda content: content["limits"].append(said))
    assert load_statements(path).limits[-1].text == said


def test_a_number_needs_its_reference(written: Written) -> None:
    path = written(lambda content: content["easy"].append("it reached {score}"))
    with pytest.raises(InputError, match="do not both have: score"):
        load_statements(path)


def test_an_unknown_key_is_named(written: Written) -> None:
    path = written(lambda content: content["deviations"][0].update(control=None))
    with pytest.raises(InputError, match=r"unknown key 'control'.*did you mean 'controls'"):
        load_statements(path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load_statements(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("scope: [")
    with pytest.raises(InputError, match="not valid YAML"):
        load_statements(tmp_path / "bad.yaml")
