"""What Hydra composed of some words, its references kept, and its content for any run."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from boxseg.errors import InputError
from experiments.configuration.choices import PARTS

NOT_IDENTITY = (
    "scale",
    "schedules",
    "run_dir",
    "from",
    "data_dir",
    "device",
    "deterministic",
    "workers",
    "threads",
    "checkpoint_period",
    "log_period",
    "evaluation_period",
    "evaluation_images",
    "tracking",
    "launcher",
    "deviations",
    "replaced",
    "labels_teach",
    "score_power",
    "parts",
    *PARTS,
)
"""Keys that do not change what a run computes, or only through others that refer to them."""

PLACES = frozenset(("root", "ids", "prepared", "initial_weights"))
"""Keys that say where files lie."""

ONE_X = "images.iterations_1x"
"""The key of the length of 1x."""

Content = dict[str, Any]
"""A configuration in plain containers, every reference replaced by what it refers to."""


@dataclass(frozen=True, eq=False)
class Composition:
    """A configuration in which keys still refer to one another.

    The runs of a table's cell share one: they differ in seed and folder only, and replacing the
    references is much of the work. Where a value refers to the seed just to be it, a run's
    content is that of seed 0 with the seed in its places; should a value be made of the seed or of
    the folder, every run's references are replaced anew.

    Attributes:
        config: as Hydra composed it; it is not to be changed.
        counted: number of classes of data that leave `dataset.num_classes` to be counted.
        iterations_1x: the length of 1x where a rule gives it (`leaves_length`); None before the
            data and the device are known, when it stands for the least that the rule allows.
    """

    config: DictConfig
    counted: int | None = None
    iterations_1x: int | None = None

    def with_number_of_classes(self, number: int) -> Composition:
        """The same for data that turned out to have so many classes; its identity stays."""
        return replace(self, counted=number)

    def with_length(self, iterations_1x: int) -> Composition:
        """The same for 1x of so many iterations, where a rule gives it; its identity stays."""
        return replace(self, iterations_1x=iterations_1x)

    @functools.cached_property
    def leaves_length(self) -> bool:
        """Whether the length of 1x follows a rule of the scale, as no word sets it."""
        with own_errors():
            rule = OmegaConf.select(self.config, f"{self._images_of_scale}.length")
            return rule is not None and OmegaConf.select(self.config, ONE_X) is None

    def content(self, seed: int, run_dir: str | None) -> Content:
        """What a run is configured with.

        Args:
            seed: of the run.
            run_dir: its folder; None for the usual one.

        Raises:
            NotComposedError: a reference leads nowhere.
        """
        if not self._shared:
            content = self._resolved(seed, run_dir)
        else:
            content = {**self._of_seed_0, "run_dir": run_dir}
            for place in self._places_of_the_seed if seed != 0 else ():
                content = _with(content, place, seed)
        if run_dir is None:
            content["run_dir"] = _usual_folder(content)
        return content

    @functools.cached_property
    def identity(self) -> str:
        """Everything that changes what a run computes, but for its seed and its files, as JSON.

        It is that of seed 0, so that the runs of a cell need not be composed to be told apart.
        Where files lie does not count; `experiments.configuration.contents` tells what they are.
        """
        plain = self.counted is None and self.iterations_1x is None
        content = (self if plain else Composition(self.config))._of_seed_0
        counts = {key: value for key, value in content.items() if key not in NOT_IDENTITY}
        if self.leaves_length:  # the rule counts, not what it gives on some device
            rule = content["scale"]["images"][content["dataset"]["kind"]]["length"]
            counts["images"] = {**counts["images"], "iterations_1x": rule}
        counts["scale"] = {key: content["scale"][key] for key in ("name", "version")}
        source = counts["dataset"]["source"]
        counts |= {key: None for key in PLACES if key in counts}
        if source.get("root") != content["data_dir"]:
            source = {key: None if key in PLACES else value for key, value in source.items()}
            own = {key: None for key in PLACES if key in counts["dataset"]}
            counts["dataset"] = {**counts["dataset"], **own, "source": source}
        if source.get("root") == content["data_dir"]:  # where generated data are kept
            source = {key: value for key, value in source.items() if key != "root"}
            counts["dataset"] = {**counts["dataset"], "source": source}
        return json.dumps(counts, sort_keys=True)

    @functools.cached_property
    def of_all_runs(self) -> frozenset[str]:
        """Keys whose values every run has alike."""
        if not self._shared:
            return frozenset()
        own = {"seed", "run_dir", *(str(place[0]) for place in self._places_of_the_seed)}
        return frozenset(self._of_seed_0) - own

    @functools.cached_property
    def _of_seed_0(self) -> Content:
        return self._resolved(0, None)

    @functools.cached_property
    def _shared(self) -> bool:
        """Whether no value but the seed's own copies is made of a run's seed or folder."""
        references = OmegaConf.to_container(self.config, resolve=False)
        assert isinstance(references, dict)
        own = ("seed", "run_dir")
        rest = {key: value for key, value in references.items() if key not in own}
        return all(map(_independent_or_the_seed, _texts(rest)))

    @functools.cached_property
    def _places_of_the_seed(self) -> tuple[tuple[str | int, ...], ...]:
        return tuple(_differences(self._of_seed_0, self._resolved(1, None)))

    @property
    def _images_of_scale(self) -> str:
        return f"scale.images.{self.config.dataset.kind}"

    def _resolved(self, seed: int, run_dir: str | None) -> Content:
        config = copy.deepcopy(self.config)
        config.seed, config.run_dir = seed, run_dir
        if self.counted is not None:
            config.dataset.num_classes = self.counted
        if self.leaves_length:
            images = OmegaConf.select(config, self._images_of_scale)
            images.iterations_1x = self.iterations_1x or images.length.least
        with own_errors():
            OmegaConf.resolve(config)  # in place, so that what many refer to is found once
            content = OmegaConf.to_container(config)
        assert isinstance(content, dict)
        return {str(key): value for key, value in content.items()}


class NotComposedError(InputError):
    """A file or a reference is not there, or keys do not fit together."""


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf complain of into a `NotComposedError`, one sentence."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise NotComposedError(f"the configuration cannot be composed: {reason}.") from None


def _usual_folder(content: Content) -> str:
    own = f"{content['method']}-{content['dataset']['name']}"
    seed = f"seed{content['seed']}"
    return str(Path("runs", content["scale"]["name"], "train", own, content["schedule"], seed))


def _independent_or_the_seed(text: str) -> bool:
    refers = "${" in text and ("seed" in text or "run_dir" in text)
    return not refers or text == "${seed}"


def _texts(node: Any) -> Iterator[str]:
    """Every value in a configuration, as text."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    else:
        yield str(node)


def _differences(first: Any, second: Any) -> Iterator[tuple[str | int, ...]]:
    """The places in which two contents of equal structure differ."""
    if isinstance(first, dict):
        items: Iterator[tuple[Any, Any]] = iter(first.items())
    elif isinstance(first, list):
        items = enumerate(first)
    else:
        if first != second:
            yield ()
        return
    for key, value in items:
        for place in _differences(value, second[key]):
            yield key, *place


def _with(node: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """The same with another value at a place; what lies beside the way there is shared."""
    if not place:
        return value
    changed = node.copy()
    changed[place[0]] = _with(changed[place[0]], place[1:], value)
    return changed
