"""The papers' iterations, rates and lengths in those of a scale, for the configuration to refer to.

A scale says how long 1x is and how many of its pixels one of COCO's is, in the images as they are
(`pixel_factor`) and as the network is given them (`input_factor`): where photographs are trained on
at a fourth of the papers' size, COCO's small objects are as small as ever in the image itself, but
what the papers blur by two pixels is blurred by half a pixel. At paper scale another
batch than the paper's may be asked for besides (fewer images fit a smaller GPU); then everything
that is given in iterations, and the learning rate, follow by the linear scaling rule: k times the
images per step, k times the rate, and one k-th of the iterations, so that the same images are seen
at the same pace (Goyal et al., "Accurate, Large Minibatch SGD", 2017).

What happens once in an image is given per image of COCO's: where images have fewer objects it is
made as much rarer, so that as many objects are pasted for every one that is there. And thresholds
of the published code are for its scores, the roots of class probability times centre-ness: for a
score that is no root, such as the IoU-aware one, they are squared (`score_power`).
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

PAPER_ITERATIONS_1X = 90_000

COCO_OBJECTS_PER_IMAGE = 7.3
"""Of train2017: 860,001 in 118,287 images."""

SCALED_KEYS = {
    "images.iterations_1x": "scale.images.{kind}.iterations_1x",
    "images.short_sides": "scale.images.{kind}.short_sides",
    "images.max_side": "scale.images.{kind}.max_side",
    "images.test_short_side": "scale.images.{kind}.test_short_side",
    "solver.clip_norm": "scale.clip_norm",
    "solver.precision": "scale.precision",
}
"""Keys whose values a scale gives, and where it gives them."""


def batch_factor(config: DictConfig) -> float:
    """Images of a step per those of the scale's reference; 1 where the scale names none."""
    reference = config.scale.get("reference_batch_size")
    if reference is None:
        return 1.0
    images = config.solver.batch_size * config.solver.accumulate
    return images / reference if images > 0 else 1.0  # the range is checked once all is composed


def _length(paper_iterations: int, one_x: float, config: DictConfig) -> float:
    return paper_iterations * one_x / PAPER_ITERATIONS_1X / batch_factor(config)


def _schedule(paper_iterations: int, *, _root_: DictConfig) -> int:
    """Iterations of the papers' COCO schedules in this scale's, rounded down, at least one."""
    return max(1, int(_length(paper_iterations, _root_.images.iterations_1x, _root_)))


def _steps(total: int, *epochs: int, _root_: DictConfig) -> ListConfig:
    """Iterations of the chosen schedule after some of its epochs, of which it has so many in all.

    In a schedule too short to tell two of them, or the last and its end, apart, the earlier one
    comes sooner.
    """
    iterations: int = _root_.schedules[_root_.schedule].iterations
    found = [iterations]
    for epoch in reversed(epochs):
        found.append(min(iterations * epoch // total, found[-1] - 1))
    return ListConfig(found[:0:-1])


def _one_x_of_ramps(config: DictConfig) -> float:
    """Length of 1x that warm-ups and memories are given for: the schedule's, or a recipe's own."""
    one_x: float = config.images.iterations_1x
    recipe = _recipe(config)
    return one_x * recipe.ramps_1x / recipe.iterations_1x if "ramps_1x" in recipe else one_x


def _recipe(config: DictConfig) -> DictConfig:
    """What the scale has for this dataset alone; empty where it has nothing."""
    recipe = config.scale.get("recipes", {}).get(config.dataset.name)
    return DictConfig({}) if recipe is None else recipe


def _start(paper_iterations: int, *, _root_: DictConfig) -> int:
    """When what the papers begin, or give its full weight, after so many iterations does so here.

    A recipe may put all of a schedule's starts off alike.
    """
    factor: float = _recipe(_root_).get("starts", {}).get(_root_.schedule, 1.0)
    return _iterations(round(paper_iterations * factor), _root_=_root_)


def _scale_version(version: int, *, _root_: DictConfig) -> int:
    """The scale's version, or the latest in which a recipe changed one of a run's losses."""
    recipe = _recipe(_root_)
    if _root_.schedule not in recipe.get("starts", {}):
        return version
    changed: dict[str, int] = recipe.versions
    return max((changed[term] for term in changed if term in _root_.losses), default=version)


def _iterations(paper_iterations: int, *, _root_: DictConfig) -> int:
    """The papers' iterations in this scale's, rounded down, at least one."""
    return max(1, int(_length(paper_iterations, _one_x_of_ramps(_root_), _root_)))


def _momentum(paper_iterations: int, *, _root_: DictConfig) -> float:
    """Momentum of a moving average whose memory is so many of the papers' iterations."""
    return 1 - 1 / max(1.0, _length(paper_iterations, _one_x_of_ramps(_root_), _root_))


def _learning_rate(paper_rate: float, *, _root_: DictConfig) -> float:
    """The papers' learning rate for this run's batch."""
    return paper_rate * batch_factor(_root_)


def _area(coco_pixels: float, *, _root_: DictConfig) -> float:
    """An area in pixels of COCO's images in those of this scale's images, before resizing."""
    return float(coco_pixels * _root_.images.pixel_factor**2)


def _input_factor(config: DictConfig) -> float:
    factor: float = config.scale.images[config.dataset.kind].input_factor
    return factor


def _input_pixels(paper_pixels: float, *, _root_: DictConfig) -> float:
    """A length in pixels of the papers' resized images in those of this scale's."""
    return float(paper_pixels * _input_factor(_root_))


def _input_area(paper_pixels: float, *, _root_: DictConfig) -> float:
    """An area in pixels of the papers' resized images in those of this scale's."""
    return float(paper_pixels * _input_factor(_root_) ** 2)


def _per_image(probability: float, *, _root_: DictConfig) -> float:
    """A probability per image of COCO's, for the objects in an image of this scale's."""
    objects: float = _root_.scale.images[_root_.dataset.kind].objects_per_image
    return min(1.0, probability * objects / COCO_OBJECTS_PER_IMAGE)


def _score(published: float, *, _root_: DictConfig) -> float:
    """A threshold of the published code's scores for those of this run's detector."""
    return float(round(published**_root_.score_power, 12))


def _deviations(*, _root_: DictConfig) -> ListConfig:
    """How a run departs from what its scale and its method prescribe, a sentence each."""
    config, found = _root_, []
    factor = batch_factor(config)
    if factor != 1:
        images = config.solver.batch_size * config.solver.accumulate
        found.append(
            f"{images} images a step instead of {config.scale.reference_batch_size}: by the "
            f"linear scaling rule the learning rate is {factor:g} times the paper's, and the "
            "schedule, its steps, all warm-ups, ramps and the teacher's memory have "
            f"{1 / factor:g} times as many iterations."
        )
    for key, place in SCALED_KEYS.items():
        own = OmegaConf.select(config, key)
        prescribed = OmegaConf.select(config, place.format(kind=config.dataset.kind))
        if own != prescribed:
            by_rule = prescribed is None and key == "images.iterations_1x"
            instead = "what its scale's rule gives" if by_rule else prescribed
            found.append(f"{key} is {own} instead of {instead}.")
    if config["from"] is not None:
        found.append("its weights start from a checkpoint (from=) instead of a backbone's alone.")
    if config.replaced:
        found.append(
            f"segmenter={config.parts.segmenter} has its own in place of "
            f"{', '.join(config.replaced)} of method={config.method}."
        )
    return ListConfig(found)


def register_resolvers() -> None:
    """Let configurations write `${iterations:10000}` and the like."""
    resolvers: dict[str, Any] = {
        "schedule": _schedule,
        "steps": _steps,
        "iterations": _iterations,
        "momentum": _momentum,
        "start": _start,
        "scale_version": _scale_version,
        "learning_rate": _learning_rate,
        "area": _area,
        "input_pixels": _input_pixels,
        "input_area": _input_area,
        "per_image": _per_image,
        "score": _score,
        "deviations": _deviations,
        "length": len,
    }
    for name, resolver in resolvers.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
