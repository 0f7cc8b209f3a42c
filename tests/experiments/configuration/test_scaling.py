"""The papers' iterations, rates and lengths in those of a scale."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from experiments.configuration.compose import compose
from experiments.configuration.run_configuration import RunConfiguration


def paper(*words: str) -> RunConfiguration:
    return compose(["scale=paper", "dataset=coco", "method=boxseg", *words])


def solver_of(config: RunConfiguration) -> dict[str, Any]:
    """What depends on the length of a run and on its batch."""
    schedule = config.solver.learning_rate_schedule
    losses = config.model["student"]["mask_losses"]
    ramped = (losses["box"], losses["pseudo_dice"], losses["pseudo_affinity"])
    return {
        "rate": config.solver.optimizer["learning_rate"],
        "iterations": (config.solver.iterations, schedule["iterations"]),
        "steps": schedule["steps"],
        "warm-up": schedule["warmup_iterations"],
        "ramps": {one["warmup_iterations"] for one in (*ramped, config.model["copy_paste"])},
        "momentum": config.model["max_momentum"],
    }


def test_the_paper_s_setting_on_coco() -> None:
    config = paper()
    assert solver_of(config) == {
        "rate": 0.01,
        "iterations": (90_000, 90_000),
        "steps": [60_000, 80_000],
        "warm-up": 1000,
        "ramps": {10_000},
        "momentum": pytest.approx(0.999),
    }
    assert solver_of(paper("schedule=3x"))["steps"] == [210_000, 250_000]
    assert paper("schedule=3x").solver.iterations == 270_000
    optimizer = config.solver.optimizer
    assert (optimizer["momentum"], optimizer["weight_decay"]) == (0.9, 1e-4)
    assert optimizer["norm_weight_decay"] == 0
    assert (config.solver.batch_size, config.solver.accumulate) == (16, 1)
    assert config.solver.clip_norm is None
    assert config.solver.precision == "float32"
    assert config.mapper["short_sides"] == [640, 672, 704, 736, 768, 800]
    assert (config.mapper["max_side"], config.mapper["teacher_short_side"]) == (1333, 800)
    assert config.model["copy_paste"]["min_area"] == 300
    candidates = config.model["pseudo_labeller"]["candidate_count"]
    assert (candidates["small_area"], candidates["large_area"]) == (32**2, 96**2)
    assert config.deviations == []
    bottom_up = {
        name: paper(f"backbone={name}").model["student"]["backbone"]["bottom_up"]
        for name in ("r50", "r101", "r101-dcn")
    }
    assert [bottom_up[name]["depth"] for name in bottom_up] == [50, 101, 101]
    assert bottom_up["r101-dcn"]["deformable_stages"] == [3, 4, 5]
    assert [bottom_up[name].get("stride_in_1x1", True) for name in bottom_up] == [True, True, False]
    assert config.channel_order == "BGR"
    assert config.model["student"]["pixel_std"] == [1, 1, 1]


def test_voc_has_the_schedule_of_its_authors_log() -> None:
    config = compose(["scale=paper", "dataset=voc", "method=boxseg"])
    assert solver_of(config) == {
        "rate": 0.01,
        "iterations": (18_000, 18_000),
        "steps": [12_000, 16_000],
        "warm-up": 100,
        "ramps": {10_000},  # as long as on COCO
        "momentum": pytest.approx(0.999),
    }
    longer = compose(["scale=paper", "dataset=voc", "method=boxseg", "schedule=3x"])
    assert (longer.solver.iterations, solver_of(longer)["ramps"]) == (54_000, {10_000})
    short = compose(["scale=paper", "dataset=voc", "method=boxseg", "images.iterations_1x=180"])
    assert (short.solver.iterations, solver_of(short)["ramps"]) == (180, {100})


def longest(method: str, *words: str) -> RunConfiguration:
    return compose([f"method={method}", "schedule=3x", *words])


@pytest.mark.parametrize(
    ("method", "dataset", "iterations", "steps"),
    [
        ("box2mask-c", "coco", 270_000, [202_500, 247_500]),
        ("box2mask-c", "voc", 23_810, [17_857, 21_825]),  # 36 epochs of 10,582 images, 16 a step
        ("discobox", "coco", 270_000, [247_500, 262_500]),
    ],
)
def test_methods_of_other_authors_have_their_settings(
    method: str, dataset: str, iterations: int, steps: list[int]
) -> None:
    config = longest(method, "scale=paper", f"dataset={dataset}")
    solver = config.solver
    schedule = solver.learning_rate_schedule
    assert solver.iterations == schedule["iterations"] == iterations
    assert schedule["steps"] == steps
    assert schedule["warmup_iterations"] == 2000
    assert config.deviations == []
    if method == "box2mask-c":
        assert solver.optimizer["_target_"].endswith("adamw")
        assert solver.optimizer["learning_rate"] == 1e-4
        assert solver.optimizer["weight_decay"] == 0.1
        assert solver.clip_norm == 1
    else:
        assert solver.optimizer == paper().solver.optimizer
        assert solver.clip_norm == 35
        assert config.model["start_iterations"] == 13_000


def test_steps_of_a_short_schedule_are_told_apart() -> None:
    steps = {
        method: longest(method, "scale=smoke").solver.learning_rate_schedule["steps"]
        for method in ("box2mask-c", "discobox")
    }
    assert steps == {"box2mask-c": [9, 11], "discobox": [10, 11]}  # of 12 iterations


@pytest.mark.parametrize(
    ("words", "factor"),
    [
        (("solver.batch_size=8",), 0.5),
        (("solver.batch_size=32",), 2),
        (("solver.batch_size=12",), 0.75),
        (("solver.batch_size=4", "solver.accumulate=2"), 0.5),
        (("scale.batch_size=8",), 0.5),
    ],
)
def test_another_batch_scales_all_that_depends_on_it(words: tuple[str, ...], factor: float) -> None:
    config = paper(*words)
    assert solver_of(config) == {
        "rate": pytest.approx(0.01 * factor),
        "iterations": (int(90_000 / factor), int(90_000 / factor)),
        "steps": [int(60_000 / factor), int(80_000 / factor)],
        "warm-up": int(1000 / factor),
        "ramps": {int(10_000 / factor)},
        "momentum": pytest.approx(1 - factor / 1000),
    }
    (deviation,) = config.deviations
    assert f"{int(16 * factor)} images a step instead of 16" in deviation
    assert f"the learning rate is {factor:g} times the paper's" in deviation


def test_accumulation_to_the_paper_s_batch_is_no_deviation() -> None:
    config = paper("solver.batch_size=4", "solver.accumulate=4")
    assert solver_of(config) == solver_of(paper())
    assert config.deviations == []


def test_what_is_changed_besides_is_recorded_and_changes_no_hash_by_itself() -> None:
    config = paper("solver.precision=bfloat16", "images.short_sides=[800]")
    assert list(config.deviations) == [
        "images.short_sides is [800] instead of [640, 672, 704, 736, 768, 800].",
        "solver.precision is bfloat16 instead of float32.",
    ]
    assert paper("deviations=[something]").sha256 == paper().sha256


def test_scales_without_a_reference_leave_the_batch_to_the_user() -> None:
    plain = compose(["scale=smoke", "method=boxseg"])
    larger = compose(["scale=smoke", "method=boxseg", "solver.batch_size=8"])
    assert solver_of(larger) == solver_of(plain)
    assert plain.deviations == larger.deviations == []


def test_places_of_data_and_weights_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert paper().root is None
    monkeypatch.setenv("BOXSEG_COCO", "/data/coco")
    monkeypatch.setenv("BOXSEG_WEIGHTS", "/data/weights")
    assert paper().dataset.source["root"] == "/data/coco"
    assert paper("root=elsewhere").dataset.source["root"] == "elsewhere"
    assert compose(["scale=paper", "dataset=voc"]).root is None
    assert paper().scale.initial_weights["r101"] == "/data/weights/MSRA-R-101.pt"


def learnt(config: RunConfiguration, iterations: int) -> float:
    """Share of the sum of a schedule's rates that has passed after so many iterations."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    schedule = instantiate(config.solver.learning_rate_schedule)(optimizer)
    rates = []
    for _ in range(config.solver.iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return sum(rates[:iterations]) / sum(rates)


@pytest.mark.parametrize("schedule", ["1x", "3x"])
def test_the_pairwise_term_of_scenes_b_comes_as_far_into_learning_as_the_papers(
    schedule: str,
) -> None:
    theirs = paper(f"schedule={schedule}")
    ours = compose(["method=boxinst", "dataset=scenes-b", f"schedule={schedule}"])
    assert learnt(ours, ours.losses["box"]["warmup_iterations"]) == pytest.approx(
        learnt(theirs, theirs.losses["box"]["warmup_iterations"]), abs=0.003
    )


@pytest.mark.parametrize(
    ("method", "version"),
    [
        ("boxinst", 3),
        ("boxteacher", 4),
        ("boxseg", 4),
        ("sim", 4),
        ("box2mask-c", 2),
        ("condinst", 2),
    ],
)
def test_a_recipe_raises_the_version_of_what_it_changes(method: str, version: int) -> None:
    assert compose([f"method={method}", "dataset=scenes-b"]).scale.version == version
    assert compose([f"method={method}", "dataset=scenes"]).scale.version == 2
    assert compose([f"method={method}", "dataset=scenes-b", "scale=smoke"]).scale.version == 2


START_NAMES = ("start_iterations", "warmup_iterations")


def starts(node: object) -> dict[str, int]:
    """All that a configuration gives as iterations until something begins or has its weight."""
    if not isinstance(node, dict):
        return {}
    found = {name: value for name, value in node.items() if name in START_NAMES}
    for name, value in node.items():
        found |= {f"{name}.{inner}": number for inner, number in starts(value).items()}
    return found


@pytest.mark.parametrize("schedule", ["1x", "3x"])
@pytest.mark.parametrize("method", ["boxteacher", "boxseg", "boxseg-released", "sim"])
def test_what_begins_with_the_pairwise_term_in_the_papers_does_so_on_scenes_b(
    method: str, schedule: str
) -> None:
    def found(dataset: str) -> dict[str, int]:
        config = compose([f"method={method}", f"dataset={dataset}", f"schedule={schedule}"])
        return starts({"losses": config.losses, "copy_paste": config.copy_paste})

    at_once = found("scenes-b")
    assert len(at_once) >= 3
    assert set(at_once.values()) == {125 if schedule == "1x" else 196}
    assert found("scenes") == dict.fromkeys(at_once, 66)


def test_a_schedule_that_a_recipe_does_not_name_keeps_the_version() -> None:
    config = compose(["method=boxinst", "dataset=scenes-b", "schedule=50e"])
    assert config.losses["box"]["warmup_iterations"] == 66
    assert config.scale.version == 2
