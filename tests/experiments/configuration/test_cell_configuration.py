"""The runs of a cell share one composition, and nobody could tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.configuration.cell_configuration import RUN_DIR, SEED, CellConfig, cell_config
from experiments.configuration.compose import as_yaml, config_sha256
from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions

PLACE = Path("it's a 'place' [of runs], 50% = {odd} ${and} more")


def assert_like_composed(run: Run) -> None:
    config = run.config()
    assert run.sha256 == config_sha256(config)
    assert run.cell_config.yaml(run.seed, run.directory) == as_yaml(config)


@pytest.mark.parametrize("table", ["table3", "table5"])
@pytest.mark.parametrize("place", [Path("runs"), PLACE.with_name("odd 'place' [of], 50% runs")])
def test_as_if_each_were_composed_alone(table: str, place: Path) -> None:
    definition = definitions([table])[0]
    runs = expand(definition, "smoke", 3, place, columns=["3x"])
    assert {run.seed for run in runs} == {0, 1, 2}
    for run in runs[::2]:
        assert run.cell_config.shared
        assert_like_composed(run)


def test_a_thousand_runs_take_one_composition_per_cell() -> None:
    definition = definitions(["table3"])[0]
    cell_config.cache_clear()
    runs = expand(definition, "smoke", 125, Path("runs"), overrides=["images.iterations_1x=5"])
    hashes = {run.sha256 for run in runs}
    assert len(runs) == len(hashes) == 1000
    assert cell_config.cache_info().misses == len({run.cell for run in runs}) == 8


@pytest.mark.parametrize(
    "word",
    [
        "initial_weights='weights-${seed}.pt'",
        "initial_weights='weights-${.seed}.pt'",
        "initial_weights='${run_dir}/weights.pt'",
        f"initial_weights={SEED}.pt",
        f"initial_weights={RUN_DIR}.pt",
    ],
)
def test_what_is_made_of_the_seed_is_composed_for_each(word: str) -> None:
    table3 = definitions(["table3"])[0]
    words = {"rows": ["baseline"], "columns": ["1x"], "overrides": [word]}
    runs = expand(table3, "smoke", 2, Path("runs"), **words)
    assert not runs[0].cell_config.shared
    for run in runs:
        assert_like_composed(run)


def test_a_key_that_is_the_seed_is_each_run_s_own() -> None:
    cell = CellConfig(("scale=smoke", "method=boxseg"))  # its copy-paste draws by the run's seed
    assert cell.shared
    assert f"seed: {SEED}" in as_yaml(cell.config.model.copy_paste)
    assert cell.yaml(7, Path("a")).count("seed: 7") > 1
    assert str(SEED) not in cell.yaml(7, Path("a"))
