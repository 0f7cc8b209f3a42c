"""Keys that refer to one another: another seed or number of classes reaches all that refers to it,
and the runs of a cell share one composition without anybody being able to tell.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from experiments.configuration.compose import _composed, compose
from experiments.configuration.composition import Composition
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.runs import Run, expand
from experiments.launch.tables import definitions


def values_of(key: str, node: Any) -> list[Any]:
    """The values of a key, at whatever depth."""
    if isinstance(node, dict):
        own = [node[key]] if key in node else []
        return own + [value for child in node.values() for value in values_of(key, child)]
    return [v for child in node for v in values_of(key, child)] if isinstance(node, list) else []


def composed_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> RunConfiguration:
    """The run's configuration, nothing of it shared with another run's."""
    folder = str(run.directory).replace("'", "\\'")
    with monkeypatch.context() as patch:
        patch.setattr(Composition, "_shared", False)
        return compose([*run.cell_words, f"seed={run.seed}", f"run_dir='{folder}'"])


@pytest.mark.parametrize("table", ["table3", "table5"])
def test_as_if_each_were_composed_alone(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.launch.runs.composed", compose)  # no other test's
    place = "it's 'odd' [of], 50% runs = {a} ${and} more"
    for run in expand(definitions([table])[0], "smoke", 3, Path("runs"), columns=["3x"])[1::2]:
        alone = composed_alone(run, monkeypatch)
        assert run.configuration.content() == alone.content()
        assert run.configuration.as_yaml() == alone.as_yaml()
        assert run.sha256 == alone.sha256
        assert run.of_cell.of_run(run.seed, place).run_dir == place


def test_a_thousand_runs_take_one_composition_per_cell() -> None:
    definition = definitions(["table3"])[0]
    _composed.cache_clear()
    runs = expand(definition, "smoke", 125, Path("runs"), overrides=["images.iterations_1x=5"])
    begun = time.perf_counter()
    hashes = {run.sha256 for run in runs}
    assert len(runs) == len(hashes) == 1000
    assert _composed.cache_info().misses == len({run.cell for run in runs}) == 8
    assert time.perf_counter() - begun < 60  # composing each would take minutes


@pytest.mark.parametrize("reference", ["${seed}", "${.seed}", "${oc.select:seed}"])
def test_what_is_made_of_the_seed_is_made_of_each_run_s(reference: str) -> None:
    words = ["scale=smoke", f"initial_weights='weights-{reference}.pt'"]
    runs = [compose([*words, "seed=7"]), compose(words).of_run(7, "there")]
    assert [one.initial_weights for one in runs] == ["weights-7.pt", "weights-7.pt"]
    assert runs[0].sha256 == runs[1].sha256 != compose(words).sha256
    assert runs[0].sha256 != compose(["scale=smoke", "initial_weights=weights-7.pt"]).sha256


def test_what_is_made_of_the_folder_is_made_of_each_run_s() -> None:
    cell = compose(["scale=smoke", "initial_weights='${run_dir}/weights.pt'"])
    assert cell.of_run(0, "here").initial_weights == "here/weights.pt"
    assert cell.of_run(1, "there").initial_weights == "there/weights.pt"


def test_a_key_that_is_the_seed_is_each_run_s_own() -> None:
    cell = compose(["scale=smoke", "method=boxseg"])  # its copy-paste draws by the run's seed
    other = cell.with_seed(7)
    assert values_of("seed", other.model) == [7]
    assert values_of("seed", other.content()).count(7) == 4  # itself, copy_paste, step, model
    assert values_of("seed", other.dataset.source) == [0]  # the data are the same for all seeds
    assert values_of("seed", cell.content()) == [0] * 5


def test_a_seed_of_a_part_s_own_stays() -> None:
    cell = compose(["scale=smoke", "method=boxseg", "model.copy_paste.seed=3"])
    assert cell.with_seed(7).model["copy_paste"]["seed"] == 3
    assert cell.with_seed(7).copy_paste == cell.with_seed(7).model["copy_paste"] | {"seed": 7}


@pytest.mark.parametrize("method", ["boxinst", "boxseg", "sim", "sim-released", "mask-rcnn"])
def test_a_number_of_classes_reaches_all_that_is_made_for_them(method: str) -> None:
    asked = compose(["scale=smoke", f"method={method}", "dataset=coco-folder", "root=a"])
    assert set(values_of("num_classes", asked.content())) == {None}
    counted = asked.with_number_of_classes(5)
    assert set(values_of("num_classes", counted.content())) == {5}
    assert len(values_of("num_classes", counted.model)) > 0
    assert counted.sha256 == asked.sha256
    assert set(values_of("num_classes", counted.with_seed(3).content())) == {5}
    told = compose(
        [
            *("scale=smoke", f"method={method}", "dataset=coco-folder", "root=a"),
            "dataset.num_classes=5",
        ]
    )
    assert counted.content() == told.content()


@pytest.mark.parametrize("method", ["boxinst", "boxseg", "sim"])
def test_a_length_by_a_rule_reaches_all_that_follows_it(method: str) -> None:
    words = ["scale=photos", f"method={method}", "dataset=coco-folder", "root=a", "schedule=3x"]
    asked = compose(words)
    assert asked.length_rule is not None
    assert asked.images.iterations_1x == asked.length_rule.least
    begun = asked.with_length(900).with_number_of_classes(5)
    assert begun.length_rule is None
    assert (begun.images.iterations_1x, begun.solver.iterations) == (900, 2700)
    assert begun.deviations == []
    # Whatever it gives on some device, the run is one and the same.
    assert asked.sha256 == begun.sha256 == asked.with_length(901).sha256
    assert begun.with_seed(3).images.iterations_1x == 900
    told = compose([*words, "images.iterations_1x=900", "dataset.num_classes=5"])
    assert told.length_rule is None and told.sha256 != asked.sha256
    assert told.deviations == [
        "images.iterations_1x is 900 instead of what its scale's rule gives."
    ]
    assert begun.solver == told.solver and begun.model == told.model
    longer = compose([*words, "scale.images.photographs.length.epochs=24"])
    assert longer.sha256 != asked.sha256
    prescribed = compose([*words, "scale.images.photographs.iterations_1x=900"])
    assert prescribed.length_rule is None and prescribed.images.iterations_1x == 900


def test_scales_without_a_rule_have_none() -> None:
    for words in (["scale=mini"], ["scale=paper", "dataset=coco"], ["scale=smoke"]):
        assert compose(words).length_rule is None


def test_a_configuration_is_frozen_and_what_was_read_is_as_it_is() -> None:
    config = compose(["scale=smoke"])
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        config.solver.batch_size = 3  # type: ignore[misc]
    read = RunConfiguration.read(Path("config.yaml"), config.as_yaml())
    for anew in (lambda: read.with_seed(1), lambda: read.sha256):
        with pytest.raises(ValueError, match="cannot be composed anew"):
            anew()
    with pytest.raises(ValueError, match="cannot be composed anew"):
        config.changed(load_masks=True).with_seed(1)
