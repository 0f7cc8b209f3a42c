"""From words to one configuration, and the hash that names it."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from boxseg.errors import InputError
from experiments.configuration.choices import GROUPS, choices
from experiments.configuration.compose import compose, unresolved
from experiments.configuration.composition import Composition
from experiments.configuration.run_configuration import RunConfiguration

SCHEDULES = {"1x": 90_000, "3x": 270_000}
OF_36_EPOCHS = ("box2mask-c", "discobox")
"""Methods whose 3x is what their authors train them for, on any data."""


def sha(*words: str) -> str:
    return compose(["scale=smoke", *words]).sha256


def test_the_choices_there_are() -> None:
    assert choices("scale") == ["mini", "paper", "photos", "smoke"]
    assert {"boxinst", "condinst"} <= set(choices("method"))
    expected = ["coco", "coco-folder", "coco-photos", "scenes", "scenes-b", "voc"]
    assert choices("dataset") == expected


@pytest.mark.slow
@pytest.mark.parametrize("scale", choices("scale"))
@pytest.mark.parametrize("method", choices("method"))
def test_every_combination_composes(method: str, scale: str) -> None:
    hashes = set()
    datasets = [one for one in choices("dataset") if scale != "photos" or "scenes" not in one]
    for dataset, schedule in itertools.product(datasets, SCHEDULES):
        words = [f"method={method}", f"scale={scale}", f"dataset={dataset}"]
        config = compose([*words, f"schedule={schedule}", "root=photographs"])
        assert (config.method, config.scale.name) == (method, scale)
        assert config.dataset.name == dataset
        share = config.images.iterations_1x / 90_000
        of_coco = SCHEDULES[schedule]
        if (scale, dataset, schedule) == ("paper", "voc", "3x") and method in OF_36_EPOCHS:
            of_coco = 119_050  # of which VOC's share are 23,810: 36 epochs there
        assert config.solver.iterations == int(of_coco * share)
        assert config.run_dir == f"runs/{scale}/train/{method}-{dataset}/{schedule}/seed0"
        assert config.num_classes == config.dataset.num_classes
        assert "${" not in config.as_yaml()
        hashes.add(config.sha256)
    assert len(hashes) == len(datasets) * len(SCHEDULES)


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    config = unresolved(["scale=smoke"])
    content = OmegaConf.to_container(config)

    def backwards(value: object) -> object:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    turned = OmegaConf.create(backwards(content))
    assert isinstance(turned, DictConfig)
    assert list(turned) != list(config)
    assert Composition(turned).identity == Composition(config).identity
    assert sha("seed=1", "schedule=3x") == sha("schedule=3x", "seed=1")


@pytest.mark.parametrize(
    "words",
    [
        "seed=1",
        "method=condinst",
        "dataset=scenes-b",
        "schedule=3x",
        "images.iterations_1x=8",
        "images.pixel_factor=0.3",
        "solver.batch_size=4",
        "solver.optimizer.learning_rate=0.002",
        "model.detector.head.cls_convs=2",
        "losses.box.color_threshold=0.1",
        "detection=varifocal",
        "scale.segmenter.tower_convs=2",
        "scale.images.scenes.train=32",
        "initial_weights=weights.pt",
    ],
)
def test_what_changes_the_result_changes_the_hash(words: str) -> None:
    assert sha(words) != sha()


@pytest.mark.parametrize(
    "words",
    [
        "run_dir=elsewhere",
        "workers=2",
        "threads=1",
        "device=cpu",
        "deterministic=false",
        "data_dir=elsewhere",
        "checkpoint_period=1",
        "log_period=5",
        "scale.checkpoint_period=1",
        "scale.images.photographs.max_side=200",
        "solver.batch_size=2",
        "losses=box",
        "step=plain",
        "copy_paste=none",
    ],
)
def test_what_does_not_change_the_result_does_not_change_the_hash(words: str) -> None:
    assert sha(words) == sha()


def test_lengths_and_areas_are_in_the_scale_s_pixels() -> None:
    words = ["scale=smoke", "images.pixel_factor=0.5", "dataset=coco-folder", "root=a"]
    config = unresolved([*words, "scale.images.photographs.input_factor=0.25"])
    probe = {"area": "${area:1024}", "side": "${input_pixels:32}", "input": "${input_area:1024}"}
    node = OmegaConf.merge(config, {"probe": probe})
    assert node.probe == {"area": 256, "side": 8, "input": 64}


def test_what_is_done_to_resized_photographs_is_in_their_pixels() -> None:
    words = ["method=boxseg", "dataset=coco-folder", "root=a"]
    paper, mini = (compose([*words, f"scale={scale}"]) for scale in ("paper", "mini"))
    share = mini.images.test_short_side / paper.images.test_short_side
    assert (paper.model["colors"]["pixel"], mini.model["colors"]["pixel"]) == (1, share)
    assert mini.model["copy_paste"]["min_area"] == pytest.approx(300 * share**2)
    # Areas in the image before resizing are as on COCO.
    assert mini.model["pseudo_labeller"]["candidate_count"]["small_area"] == 32**2


@pytest.mark.parametrize("paste", ["peer", "quality-random", "random-random"])
def test_as_many_tutors_per_object_are_pasted_at_every_scale(paste: str) -> None:
    for words in (
        ["scale=paper", "dataset=coco"],
        ["scale=paper", "dataset=scenes"],
        ["scale=mini", "dataset=scenes"],
        ["scale=mini", "dataset=coco-folder", "root=a"],
        ["scale=smoke"],
    ):
        config = compose([*words, "method=boxseg", f"copy_paste={paste}"])
        objects = config.scale.images[config.dataset.kind].objects_per_image
        assert config.model["copy_paste"]["probability"] / objects == pytest.approx(0.7 / 7.3)
    many = compose(["method=boxseg", "scale.images.scenes.objects_per_image=20"])
    assert many.model["copy_paste"]["probability"] == 1


def test_the_papers_batches_paste_as_published() -> None:
    for dataset in ("coco", "voc"):
        config = compose(["scale=paper", f"dataset={dataset}", "method=boxseg"])
        assert config.model["copy_paste"]["probability"] == 0.7


@pytest.mark.parametrize(
    ("words", "tau", "admitted"),
    [
        ("method=boxseg", 0.01, 0.25),  # a probability
        ("method=boxseg detection=centerness", 0.1, 0.5),  # the root of two
        ("method=boxseg detection=varifocal-released", 0.1, 0.5),
        ("method=sim pseudo_labels=qam copy_paste=peer", 0.1, 0.5),
        ("method=boxinst pseudo_labels=qam copy_paste=peer", 0.1, 0.5),
        ("method=boxseg segmenter=mmdet-boxinst", 0.01, 0.25),  # the product of two
        ("method=boxseg pseudo_labels=qam-fixed-k", 0.01, 0.25),
    ],
)
def test_published_thresholds_are_for_the_scores_of_the_detector(
    words: str, tau: float, admitted: float
) -> None:
    model = compose(words.split()).model
    assert model["pseudo_labeller"]["fusion"]["score_threshold"] == tau
    assert model["copy_paste"]["min_score"] == admitted
    assert model["copy_paste"]["min_quality"] == 0.5  # Eq. 5's, itself a root of two


def test_iterations_are_at_least_one() -> None:
    node = OmegaConf.merge(unresolved(["scale=smoke"]), {"probe": "${iterations:10}"})
    assert node.probe == 1


def test_an_override_reaches_what_refers_to_it() -> None:
    config = compose(["scale=smoke", "images.iterations_1x=90", "schedule=3x"])
    assert config.solver.iterations == 270
    assert config.schedules["3x"].steps == [210, 250]
    wider = compose(["scale=smoke", "scale.segmenter.channels=48"])
    assert wider.model["channels"] == wider.model["detector"]["head"]["channels"] == 48


def test_an_override_below_a_reference_leaves_what_is_referred_to() -> None:
    config = compose(["scale=smoke", "solver.optimizer.learning_rate=0.5"])
    assert config.solver.optimizer["learning_rate"] == 0.5
    assert (
        config.scale.optimizer["learning_rate"]
        == compose(["scale=smoke"]).scale.optimizer["learning_rate"]
    )


def test_arguments_that_the_files_leave_out_can_be_given() -> None:
    config = compose(["scale=smoke", "model.mask_branch.norm=GN", "model.detector.radius=2"])
    assert (config.model["mask_branch"]["norm"], config.model["detector"]["radius"]) == ("GN", 2)
    plain = compose(["scale=smoke"])
    assert "norm" not in plain.model["mask_branch"]
    assert config.sha256 != plain.sha256
    for word in ("model.mask_branch.nrm=GN", "model.object_centers.norm=GN", "mapper.self=1"):
        with pytest.raises(InputError, match="unknown key"):
            compose(["scale=smoke", word])


def test_data_that_a_scale_has_no_sizes_for_are_refused() -> None:
    for words in (["scale=photos"], ["scale=photos", "dataset=scenes-b"]):
        with pytest.raises(InputError, match=r"scale=photos is for photographs, and .*root=DIR"):
            compose(words)
    sizes = compose(["scale=photos", "dataset=coco-folder", "root=a"]).scale.images
    assert list(sizes) == ["photographs"]


def test_paths_may_hold_what_hydra_gives_a_meaning(tmp_path: Path) -> None:
    place = tmp_path / "with blanks, commas = signs (and more)"
    config = compose(["scale=smoke", f"run_dir='{place}'"])
    assert config.run_dir == str(place)


def test_the_recorded_yaml_gives_the_configuration_back() -> None:
    config = compose(["scale=smoke", "method=condinst"])
    read = RunConfiguration.read(Path("config.yaml"), config.as_yaml())
    assert read.content() == config.content()
    assert list(read.content()) == list(config.content())


@pytest.mark.parametrize("group", GROUPS)
def test_a_choice_is_one_name(group: str) -> None:
    for value in ("", "[a,b]", "a,b", "../config"):
        with pytest.raises(InputError, match=f"there is no {group} "):
            compose([f"{group}={value}"])


@pytest.mark.parametrize("value", ["a=b, (c)/run", "it's, here", "a\\b $HOME, `d`"])
def test_signs_in_a_value_are_refused_with_how_to_quote_them(value: str) -> None:
    with pytest.raises(
        InputError, match=r"the value of run_dir has signs that need quotes"
    ) as said:
        compose([f"run_dir={value}"])
    typed = str(said.value).partition("write ")[2].removesuffix(".")
    (word,) = shlex.split(typed)
    assert str(compose([word]).run_dir) == value
