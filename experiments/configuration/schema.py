"""Keys of a configuration that are no component's arguments, so that misspelt ones are found.

Components are bound to their constructors (`experiments.configuration.binding`); a key that this
page does not know is an error of the YAML file that has it, or a new key, which is then declared
here.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

Component = dict[str, Any]
"""A mapping with a `_target_` and its arguments."""


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Images(_Node):
    """`images`: sizes of a run's images, and the length of 1x on them."""

    iterations_1x: int
    short_sides: list[int]
    max_side: int
    test_short_side: int
    pixel_factor: float


class ImagesOfScale(Images):
    """`scale.images.<kind>`: what a scale prescribes for one kind of data."""

    size: int | None = None
    train: int | None = None
    val: int | None = None
    situation: int | None = None
    input_factor: float
    rate_warmup: float | None = None
    pyramid_features: list[str] | None = None
    levels: list[str]
    strides: list[int]
    sizes_of_interest: list[int]
    level_scales: list[int]


class Input(_Node):
    """`scale.input`: what backbones expect of pixels."""

    channel_order: str
    pixel_mean: list[float]
    pixel_std: list[float]


class Recipe(_Node):
    """`scale.recipes.<dataset>`: a schedule of a dataset's own."""

    iterations_1x: int
    ramps_1x: int
    warmup: int


class SegmenterOfScale(_Node):
    """`scale.segmenter`: widths and depths."""

    channels: int
    tower_convs: int
    mask_levels: list[str]
    mask_channels: int
    mask_convs: int
    mask_feature_stride: int
    mask_stride: int


class Scale(_Node):
    """`scale`."""

    name: str
    version: int
    label: str
    datasets: dict[str, str]
    roots: dict[str, str | None] = {}
    needs_initial_weights: bool
    initial_weights: dict[str, str] = {}
    batch_size: int
    reference_batch_size: int | None = None
    clip_norm: float | None
    precision: str
    checkpoint_period: int
    threads: int | None
    log_period: int
    optimizer: Component
    learning_rate_schedule: Component
    input: Input
    recipes: dict[str, Recipe] = {}
    images: dict[str, ImagesOfScale]
    segmenter: SegmenterOfScale
    backbones: dict[str, Component]


class DatasetOfRun(_Node):
    """`dataset`."""

    name: str
    kind: str
    num_classes: int | None
    bottom_rows_removed: int
    diagnose: bool
    situations: list[str]
    train: str | None = None
    evaluate: str | None = None
    prepared: str | None = None
    source: Component


class Schedule(_Node):
    """`schedules.<name>`."""

    iterations: int
    steps: list[int]


class Solver(_Node):
    """`solver`."""

    iterations: int
    batch_size: int
    accumulate: int
    clip_norm: float | None
    precision: str
    optimizer: Component
    learning_rate_schedule: Component


class Supervision(_Node):
    """`supervision`: what objects are trained by, and what of a network depends on it."""

    load_masks: bool
    object_centers: Component
    positive_sampler: Component
    mask_features: int


class Launcher(_Node):
    """`launcher`: what a job asks Slurm for."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    gres: str | None
    nodes: int
    tasks_per_node: int
    cpus: int
    memory: str | None
    time: int
    warning: int
    time_outs: int
    setup: list[str]
    further: dict[str, Any]


class RunConfiguration(_Node):
    """The whole configuration of a run."""

    seed: int
    positive_control: bool
    method: str
    schedule: str
    backbone: str
    run_dir: str | None
    root: str | None
    ids: str | None = None
    data_dir: str
    initial_weights: str | None
    device: str
    workers: int
    threads: int | None
    images: Images
    channel_order: str
    mapper: Component
    schedules: dict[str, Schedule]
    solver: Solver
    checkpoint_period: int
    log_period: int
    evaluation_batch_size: int
    deviations: list[str]
    launcher: Launcher
    scale: Scale
    dataset: DatasetOfRun
    num_classes: int | None
    load_masks: bool
    parts: dict[str, str]
    supervision: Supervision | None
    detection: Component | None
    rescoring: Component | None
    losses: dict[str, Component | None]
    pseudo_labels: Component | None
    copy_paste: Component | None
    segmenter: Component
    step: Component
    model: Component
