"""The models that are committed, and their card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.experiments.command_line import boxseg
from tools.export_models import MODELS, Model, card, models


def test_the_card_is_of_these_files_and_records() -> None:
    assert (MODELS / "README.md").read_text() == card(models())


def test_every_row_of_the_table_has_its_model() -> None:
    assert {file.stem for file in MODELS.glob("*.pt")} == {one.row for one in models()}


@pytest.mark.slow
@pytest.mark.parametrize("one", models(), ids=lambda one: one.row)
def test_a_model_scores_what_its_card_says(
    one: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOXSEG_DATA", str(tmp_path / "data"))
    words = ("--dataset", "scenes", "--out", tmp_path / "out")
    outcome = boxseg("evaluate", one.file, *words)
    assert outcome.code == 0, outcome.err
    mask, box = (float(line.split()[1]) for line in outcome.out.splitlines()[1:3])
    assert mask == pytest.approx(one.result.metrics["segm/AP"], abs=0.2)
    assert box == pytest.approx(one.result.metrics["bbox/AP"], abs=0.2)
    (file,) = (tmp_path / "out").glob("predictions*.json")
    assert json.loads(file.read_text())
