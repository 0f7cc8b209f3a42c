"""Tables of every scale: each run composes, and a table's runs are what its definition says."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.errors import InputError
from experiments.launch.runs import expand
from experiments.launch.tables import definitions, table_names
from experiments.run.cell_name import CellName
from experiments.run.execute import execute

RUNS = Path("runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", table_names())
@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
def test_every_run_composes(name: str, scale: str) -> None:
    definition = definitions([name])[0]
    runs = expand(definition, scale, 1, RUNS)
    available = [row for row in definition.rows if row.unavailable is None]
    assert len(runs) == sum(len(definition.columns_of(row)) for row in available)
    for run in runs:
        config = run.configuration
        assert config.scale.name == scale
        assert config.seed == run.seed
        assert not config.positive_control or run.cell.takes_controls
        assert Path(config.run_dir) == run.directory


def test_columns_and_rows_choose_runs() -> None:
    table3 = definitions(["table3"])[0]
    runs = expand(table3, "smoke", 2, RUNS, rows=["qam"], columns=["1x"])
    assert [run.name for run in runs] == ["table3/qam/1x/seed0", "table3/qam/1x/seed1"]
    with pytest.raises(InputError, match="has no column '5x'; choose among 1x, 3x"):
        expand(table3, "smoke", 1, RUNS, columns=["5x"])


def test_ablation_rows_differ_from_each_other_and_only_in_what_they_name() -> None:
    table5 = definitions(["table5"])[0]
    pastes = [run.configuration.model["copy_paste"] for run in expand(table5, "mini", 1, RUNS)]
    assert pastes[0] is None
    assert [(p["select"], p["paste"]) for p in pastes[1:]] == [
        ("random", "random"),
        ("high-quality", "random"),
        ("high-quality", "overlapped"),
    ]
    table7 = definitions(["table7"])[0]
    fixed, adaptive = (
        run.configuration.model["pseudo_labeller"] for run in expand(table7, "mini", 1, RUNS)
    )
    assert fixed["candidate_count"]["k"] == adaptive["candidate_count"]["k_max"] == 10
    assert fixed["fusion"] == adaptive["fusion"]


def test_a_table_refuses_the_oracle(tmp_path: Path) -> None:
    table3 = definitions(["table3"])[0]
    words = ["pseudo_labels=oracle"]
    run = expand(table3, "smoke", 1, tmp_path, rows=["boxteacher"], overrides=words)[0]
    with pytest.raises(InputError, match="not box-supervised"):
        execute(run.configuration, CellName("table3", "boxteacher", "1x"))


def test_a_quote_in_the_path_of_the_runs_is_no_harm(tmp_path: Path) -> None:
    table3 = definitions(["table3"])[0]
    place = tmp_path / "it's here"
    run = expand(table3, "smoke", 1, place, rows=["baseline"])[0]
    assert Path(run.configuration.run_dir) == run.directory
