"""Runs side by side: what differs is told, once, and what is told is what the files have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from experiments.configuration.compose import compose
from experiments.reporting.comparison.side_by_side import compare
from experiments.reporting.comparison.text import comparison_text
from reports.own_runs import differing_keys
from tests.experiments.command_line import boxseg, losses, result, trained


def differing(*commands: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    return differing_keys([compose(["scale=smoke", *words]).content() for words in commands])


@pytest.mark.parametrize(
    ("word", "key", "values"),
    [
        ("seed=1", "seed", (0, 1)),
        ("pseudo_labels.fusion.score_threshold=0.4", "pseudo_labels.fusion.score_threshold", None),
        ("solver.optimizer.learning_rate=0.5", "solver.optimizer.learning_rate", (0.001, 0.5)),
        ("losses.pseudo_affinity=null", "losses.pseudo_affinity", None),
        ("evaluation_period=5", "evaluation_period", (0, 5)),
        ("run_dir=elsewhere", None, None),
    ],
)
def test_one_word_is_one_line(word: str, key: str | None, values: tuple[Any, ...] | None) -> None:
    found = differing(("method=boxseg",), ("method=boxseg", word))
    assert list(found) == ([] if key is None else [key])
    if values is not None:
        assert found[str(key)] == values


def test_a_choice_stands_for_what_comes_with_it() -> None:
    found = differing(("method=boxseg",), ("method=boxseg", "pseudo_labels=bqr-qmf"))
    assert found == {"pseudo_labels": ("qam", "bqr-qmf")}
    found = differing(("method=boxinst",), ("method=boxseg",), ("method=boxteacher",))
    assert found["method"] == ("boxinst", "boxseg", "boxteacher")
    assert found["pseudo_labels"] == ("-", "qam", "bpma")
    assert found["copy_paste"] == ("-", "peer", "-")
    assert not any(key.startswith(("losses.", "pseudo_labels.", "model", "step.")) for key in found)


def test_equal_configurations() -> None:
    assert differing(("method=sim",), ("method=sim",)) == {}


@pytest.fixture(scope="module")
def taught(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a teacher, looked at while it trained."""
    folder = tmp_path_factory.mktemp("runs") / "taught"
    return trained(folder, "method=boxseg", "evaluation_period=2")


def test_numbers_are_those_of_the_files(finished: Path, taught: Path) -> None:
    found = compare([finished, taught / "result.json"])
    first, second = result(finished)["metrics"], result(taught)["metrics"]
    assert found.scores["bbox/AP"] == (first["bbox/AP"], second["bbox/AP"])
    assert found.masks["pseudo/IoU"] == (None, second["pseudo/IoU"])
    last = losses(finished)[-10:]
    mean = sum(line["loss_fcos_cls"] for line in last) / 10
    assert found.losses["loss_fcos_cls"][0] == pytest.approx(mean)
    mean = sum(line["pseudo_valid_share"] for line in losses(taught)) / 4
    assert found.pseudo_masks["pseudo_valid_share"] == (None, pytest.approx(mean))
    assert found.times["steps"] == (24, 4)
    assert found.times["seconds of the run"][1] == result(taught)["seconds"]
    looks = [json.loads(line) for line in (taught / "evaluations.jsonl").read_text().splitlines()]
    assert found.while_training["best box AP"] == (None, max(one["bbox/AP"] for one in looks))
    assert found.while_training["last box AP"] == (None, looks[-1]["bbox/AP"])


def test_the_page(finished: Path, condinst: Path, taught: Path) -> None:
    outcome = boxseg("compare", finished, condinst, taught)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[:3] == [f"A  {finished}", f"B  {condinst}", f"C  {taught}"]
    assert all(len(line) <= 80 for line in lines[3:]), max(lines[3:], key=len)
    method = next(line for line in lines if line.startswith("method"))
    assert method.split() == ["method", "boxinst", "condinst", "boxseg"]
    box = next(line for line in lines if line.startswith("box AP "))
    first, second, third = (
        result(run)["metrics"]["bbox/AP"] for run in (finished, condinst, taught)
    )
    assert box.split()[2:5] == [f"{value:.1f}" for value in (first, second, third)]
    assert box.split()[5:] == [f"{value - first:+.1f}" for value in (second, third)]


def test_the_same_as_json(finished: Path, condinst: Path) -> None:
    content = json.loads(boxseg("compare", finished, condinst, "--json").out)
    assert content["runs"] == [str(finished), str(condinst)]
    assert content["configuration"]["method"] == ["boxinst", "condinst"]
    assert content["scores"]["segm/AP"][0] == result(finished)["metrics"]["segm/AP"]


def test_many_runs_take_several_blocks(finished: Path, condinst: Path) -> None:
    text = comparison_text(compare([finished, *[condinst] * 5]))
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines[6:])
    heads = [line.split("  ") for line in lines if line.startswith("scores, per cent")]
    letters = [[head.strip() for head in one[1:] if head.strip()] for one in heads]
    assert [one[:4] for one in letters] == [["A", "B", "C", "D"], ["A", "E", "F", "E - A"]]


def test_unfinished_runs_and_recorded_results(finished: Path, tmp_path: Path) -> None:
    begun = Path(shutil.copytree(finished, tmp_path / "begun"))
    (begun / "result.json").unlink()
    recorded = tmp_path / "recorded" / "result.json"
    recorded.parent.mkdir()
    shutil.copy(finished / "result.json", recorded)
    found = compare([begun, recorded])
    ap = result(finished)["metrics"]["bbox/AP"]
    assert found.scores["bbox/AP"] == (None, ap)
    assert found.losses["total_loss"][1] is None
    assert found.times["steps"] == (24, 24)
    assert (
        f"{recorded} has no config.yaml beside it, so its keys are not compared\n"
        in comparison_text(found)
    )
    both = boxseg("compare", finished, begun).out
    assert "the configurations are equal" in both


def test_what_is_no_run_is_named(finished: Path, tmp_path: Path) -> None:
    def complaint(place: Path) -> str:
        return boxseg("compare", finished, place).complaint

    assert complaint(tmp_path / "absent") == (
        f"{tmp_path}/absent does not exist; give a run's directory or its result.json."
    )
    assert complaint(tmp_path).startswith(f"{tmp_path} holds no run, neither a result.json nor")
    (tmp_path / "list.json").write_text("[]")
    assert complaint(tmp_path / "list.json").startswith(f"{tmp_path}/list.json is no result of a")
    (tmp_path / "config.yaml").write_text("{")
    assert complaint(tmp_path).startswith(f"{tmp_path}/config.yaml cannot be read (")
    assert boxseg("compare", finished).complaint == (
        "1 runs are given; give from 2 to 26, by their directories or their result.json."
    )
