"""The configuration of a run: what `compose` gives, and what every part of a run takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, PrivateAttr, ValidationError

from boxseg.engine.run_directory import checkpoint_file
from boxseg.errors import InputError
from experiments.configuration.composition import Composition
from experiments.configuration.contents import START, WEIGHTS, Contents, contents_of
from experiments.configuration.extensions import in_use
from experiments.configuration.packages import OWN, Packages
from experiments.configuration.schema import (
    ChannelOrder,
    Component,
    Count,
    DatasetOfRun,
    Deterministic,
    Images,
    ImageSizes,
    Iterations,
    Launcher,
    LengthRule,
    Part,
    Period,
    Scale,
    Schedule,
    ScorePower,
    Seed,
    Solver,
    Supervision,
    Threads,
    Tracking,
    Workers,
)
from reports.validation import explain


class RunConfiguration(Part):
    """The whole configuration of a run, complete and frozen.

    What `experiments.configuration.compose.compose` gives also knows what it was composed from, so
    that another seed or number of classes reaches all that refers to it. What was read from a file
    is as it is.
    """

    seed: Seed
    positive_control: bool
    method: str
    schedule: str
    backbone: str
    run_dir: str
    root: str | None
    ids: str | None = None
    data_dir: str
    start_from: str | None = Field(None, alias="from")
    initial_weights: str | None
    device: str
    deterministic: Deterministic = "auto"
    workers: Workers
    threads: Threads | None
    images: ImageSizes
    channel_order: ChannelOrder
    mapper: Component
    schedules: dict[str, Schedule]
    solver: Solver
    checkpoint_period: Iterations
    log_period: Iterations
    evaluation_period: Period = 0
    evaluation_images: Images = 50
    tracking: Tracking = "tensorboard"
    evaluation_batch_size: Images
    deviations: list[str]
    launcher: Launcher
    scale: Scale
    dataset: DatasetOfRun
    num_classes: Count | None
    load_masks: bool
    labels_teach: bool
    score_power: ScorePower
    parts: dict[str, str]
    replaced: list[str]
    supervision: Supervision | None
    detection: Component | None
    rescoring: Component | None
    losses: dict[str, Component | None]
    pseudo_labels: Component | None
    copy_paste: Component | None
    segmenter: Component
    step: Component
    model: Component

    _composition: Composition | None = PrivateAttr(None)
    _packages: Packages = PrivateAttr(OWN)
    _texts: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(
        cls, composition: Composition, packages: Packages, seed: int, run_dir: str | None
    ) -> Self:
        """What a composition is for one run.

        Raises:
            InputError: a reference in it leads nowhere.
            ValidationError: a key is unknown or missing, or a value is none that it can have.
        """
        configuration = cls.model_validate(composition.content(seed, run_dir))
        configuration._composition, configuration._packages = composition, packages
        return configuration

    @classmethod
    def read(cls, file: Path, text: str | None = None) -> Self:
        """The configuration that a run wrote, or a checkpoint holds.

        Args:
            file: that is named where something is wrong.
            text: what it holds; by default it is read.

        Raises:
            InputError: it cannot be read, or is no configuration of a run.
        """
        try:
            content = yaml.load(file.read_text("utf-8") if text is None else text, yaml.CSafeLoader)
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{file} cannot be read ({reason}); restore it.") from None
        try:
            configuration = cls.model_validate(content)
            configuration._packages = in_use().packages
            return configuration
        except ValidationError as error:
            raise InputError(
                f"{file} is no configuration of a run ({explain(error, cls)}); restore the one "
                "that `boxseg train` wrote."
            ) from None

    @property
    def packages(self) -> Packages:
        """What its components may be parts of."""
        return self._packages

    @property
    def sha256(self) -> str:
        """Hash of everything that changes what the run computes."""
        return self.sha256_of_run(self.seed)

    def sha256_of_run(self, seed: int) -> str:
        """The hash of the same with another seed.

        It is made of what the run was composed from: two configurations have the same hash if they
        have the same seed and would be equal with seed 0. Classes that are counted do not count.
        Data and weights count by what they are, and not by where they lie.
        """
        return self._hash(seed, self.contents.digests)

    def sha256_as_recorded(self, recorded: Mapping[str, str | None]) -> str:
        """The hash if the files that are not there are those on record: they cannot have changed.

        Args:
            recorded: digests of a run's files, as its directory has them.
        """
        digests = {
            name: recorded.get(name) if digest is None else digest
            for name, digest in self.contents.digests.items()
        }
        return self._hash(self.seed, digests)

    def _hash(self, seed: int, digests: Mapping[str, str | None]) -> str:
        identity = self._composed().identity
        if digests:
            identity += f", files {json.dumps(dict(digests), sort_keys=True)}"
        return hashlib.sha256(f"{identity}, seed {seed}".encode()).hexdigest()

    @property
    def contents(self) -> Contents:
        """What the files are now that it names."""
        files = {START: self.start_file, WEIGHTS: self.initial_weights_file}
        return contents_of(self.dataset.source, self.data_dir, files, self._packages)

    @property
    def start_file(self) -> Path | None:
        """The checkpoint that is fine-tuned, whether it is there or not; None without one."""
        return None if self.start_from is None else checkpoint_file(Path(self.start_from))

    @property
    def initial_weights_file(self) -> Path | None:
        """The state dict that the backbone starts from, whether it is there or not.

        None where the backbone's builder loads its own, the scale names none for it, or a
        checkpoint is fine-tuned.
        """
        if self.start_from is not None:
            return None
        if self.initial_weights is not None:
            return Path(self.initial_weights)
        usual = self.scale.initial_weights.get(self.backbone)
        return Path(usual) if self.scale.needs_initial_weights and usual is not None else None

    def of_run(self, seed: int, run_dir: Path | str) -> Self:
        """The same for a run with another seed in another folder."""
        own = self.of(self._composed(), self._packages, seed, str(run_dir))
        own._texts = self._texts
        return own

    def with_seed(self, seed: int) -> Self:
        """The same with another seed, wherever the configuration refers to it."""
        return self.of_run(seed, self.run_dir)

    def with_number_of_classes(self, number: int) -> Self:
        """The same for data of so many classes; the hash stays."""
        composition = self._composed().with_number_of_classes(number)
        return self.of(composition, self._packages, self.seed, self.run_dir)

    @property
    def length_rule(self) -> LengthRule | None:
        """What the length of 1x follows until the data and the device are known.

        None where a word or the scale says it, and once it is known.
        """
        composition = self._composition
        if composition is None or composition.iterations_1x or not composition.leaves_length:
            return None
        return self.scale.images[self.dataset.kind].length

    def with_length(self, iterations_1x: int) -> Self:
        """The same with 1x of so many iterations, where a rule gives it; the hash stays."""
        composition = self._composed().with_length(iterations_1x)
        return self.of(composition, self._packages, self.seed, self.run_dir)

    def changed(self, **parts: Any) -> Self:
        """The same with other parts, which nothing else follows: for looking at what was trained.

        Args:
            **parts: in the place of those of the same name.
        """
        changed = self.model_copy(update=parts)
        changed._composition = None
        return changed

    def content(self) -> dict[str, Any]:
        """It in plain containers; keys that it was not given are left out."""
        return self.model_dump(exclude_unset=True, by_alias=True)

    def as_yaml(self) -> str:
        """It as YAML, as `read` takes it."""
        alike = self._composition.of_all_runs if self._composition else frozenset()
        return "".join(
            self._shared_text(key, value) if key in alike else _text(key, value)
            for key, value in self.content().items()
        )

    def _shared_text(self, key: str, value: Any) -> str:
        if key not in self._texts:
            self._texts[key] = _text(key, value)
        return self._texts[key]

    def _composed(self) -> Composition:
        if self._composition is None:
            raise ValueError("a configuration that was read or changed cannot be composed anew")
        return self._composition


def _text(key: str, value: Any) -> str:
    text: str = yaml.dump(
        {key: value}, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
    )
    return text
