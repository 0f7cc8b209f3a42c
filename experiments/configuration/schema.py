"""Parts of a configuration: their keys, what values these take, and in which range.

Components are mappings with a `_target_`, which are bound to what they name
(`experiments.configuration.binding`). Any other key is declared here: one that is not is an error
of the YAML file that has it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


def _named(component: dict[str, Any]) -> dict[str, Any]:
    if "_target_" not in component:
        raise ValueError(f"its keys ({', '.join(map(repr, component))}) lack _target_")
    return component


Component = Annotated[dict[str, Any], AfterValidator(_named)]
"""A mapping with a `_target_` and its arguments."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Workers = Annotated[int, Field(ge=0, le=1024)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Iterations = Annotated[int, Field(ge=1, le=10**9)]
Period = Annotated[int, Field(ge=0, le=10**9)]
Pixels = Annotated[int, Field(ge=1, le=2**15)]
Images = Annotated[int, Field(ge=1, le=2**20)]
Count = Annotated[int, Field(ge=1, le=2**16)]
Factor = Annotated[float, Field(gt=0)]
ScorePower = Literal[1, 2]
Deterministic = Literal["auto", True, False]
Precision = Literal["auto", "float32", "bfloat16"]
Tracking = Literal["tensorboard", "wandb", "mlflow", "none"]
ChannelOrder = Literal["RGB", "BGR"]


class Part(BaseModel):
    """A mapping of known keys, which nobody changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def fields_by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a part by what they are called in YAML."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


class Sizes(Part):
    """Sizes of images."""

    short_sides: Annotated[list[Pixels], Field(min_length=1)]
    max_side: Pixels
    test_short_side: Pixels
    pixel_factor: Factor


class ImageSizes(Sizes):
    """`images`: sizes of a run's images, and the length of 1x on them."""

    iterations_1x: Iterations


class Pace(Part):
    """`scale.images.<kind>.length.<device>`: how long training may take, and how fast it is."""

    seconds: Factor
    images_per_second: Factor


class LengthRule(Part):
    """`scale.images.<kind>.length`: how long 1x is, by the images and what the device can do.

    So many epochs, but no more than the device does in its time; at least so many iterations in any
    case.
    """

    epochs: Count
    least: Iterations
    cpu: Pace
    cuda: Pace


class GridsOfScale(Part):
    """`scale.images.<kind>.grids`: what SOLOv2, which predicts at cells of grids, has by level."""

    bottom_up_features: list[str]
    levels: list[str]
    mask_levels: list[str]
    coarsest: str
    num_grids: list[Count]
    scale_ranges: list[list[Factor]]
    least_areas: list[Factor]
    mask_strides: list[Pixels]
    coarser_mask_strides: list[Pixels]


class ImagesOfScale(Sizes):
    """`scale.images.<kind>`: what a scale prescribes for one kind of data.

    The length of 1x is null where it follows the rule beside it.
    """

    iterations_1x: Iterations | None
    length: LengthRule | None = None
    size: Pixels | None = None
    train: Images | None = None
    val: Images | None = None
    situation: Images | None = None
    input_factor: Factor
    mask_stride: Pixels
    objects_per_image: Factor
    rate_warmup: float | None = None
    pyramid_features: list[str] | None = None
    levels: list[str]
    strides: list[Pixels]
    sizes_of_interest: list[Pixels]
    level_scales: list[Pixels]
    grids: GridsOfScale | None = None


class Input(Part):
    """`scale.input`: what backbones expect of pixels."""

    channel_order: ChannelOrder
    pixel_mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    pixel_std: Annotated[list[Factor], Field(min_length=3, max_length=3)]


class Recipe(Part):
    """`scale.recipes.<dataset>`: a schedule of a dataset's own, or starts and warm-ups of one."""

    starts: dict[str, Factor] = {}
    versions: dict[str, Annotated[int, Field(ge=1)]] = {}
    iterations_1x: Iterations | None = None
    ramps_1x: Iterations | None = None
    warmup: Iterations | None = None
    iterations_36e: Iterations | None = None
    iterations_50e: Iterations | None = None
    steps_50e: list[Iterations] | None = None


class SettingsOfMethod(Part):
    """`scale.of_methods.<method>`: how a method is trained that is trained in another way."""

    clip_norm: Factor | None
    warmup: Iterations
    optimizer: Component | None = None


class SegmenterOfScale(Part):
    """`scale.segmenter`: widths and depths."""

    channels: Count
    tower_convs: Annotated[int, Field(ge=0, le=1024)]
    grid_tower_channels: Count | None = None
    mask_levels: list[str]
    mask_channels: Count
    mask_convs: Annotated[int, Field(ge=0, le=1024)]
    mask_feature_stride: Pixels


class QueryDecoderOfScale(Part):
    """`scale.query`: widths and depths of the query decoder, and how it is optimised."""

    channels: Count
    queries: Count
    heads: Count
    points: Count
    encoder_layers: Count
    encoder_width: Count
    decoder_layers: Count
    decoder_width: Count
    norm_groups: Count
    tree_size: Annotated[list[Pixels], Field(min_length=2, max_length=2)] | None
    clip_norm: Factor | None
    optimizer: Component
    jitter: Component | None


class Scale(Part):
    """`scale`."""

    name: str
    version: Annotated[int, Field(ge=1)]
    label: str
    of_tables: bool = True
    datasets: dict[str, str]
    roots: dict[str, str | None] = {}
    needs_initial_weights: bool
    initial_weights: dict[str, str] = {}
    batch_size: Images
    reference_batch_size: Images | None = None
    clip_norm: Factor | None
    precision: Precision
    checkpoint_period: Iterations
    threads: Threads | None
    log_period: Iterations
    optimizer: Component
    sgd: Component | None = None
    warmup: Iterations | None = None
    of_methods: dict[str, SettingsOfMethod] = {}
    learning_rate_schedule: Component
    input: Input
    recipes: dict[str, Recipe] = {}
    images: dict[str, ImagesOfScale]
    segmenter: SegmenterOfScale
    query: QueryDecoderOfScale | None = None
    backbones: dict[str, Component]


class DatasetOfRun(Part):
    """`dataset`; the number of classes is null where the data will tell it."""

    name: str
    kind: str
    num_classes: Count | None
    bottom_rows_removed: Annotated[int, Field(ge=0, le=2**15)]
    diagnose: bool
    situations: list[str]
    train: str | None = None
    evaluate: str | None = None
    prepared: str | None = None
    source: Component


class Schedule(Part):
    """`schedules.<name>`."""

    iterations: Iterations
    steps: list[Iterations]


class Solver(Part):
    """`solver`."""

    iterations: Iterations
    batch_size: Images
    accumulate: Images
    clip_norm: Factor | None
    precision: Precision
    optimizer: Component
    learning_rate_schedule: Component


class Supervision(Part):
    """`supervision`: what objects are trained by, and what of a network depends on it."""

    load_masks: bool
    object_centers: Component
    positive_sampler: Component
    mask_features: Count


class Launcher(Part):
    """`launcher`: what a job asks Slurm for."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    gres: str | None
    nodes: Count
    tasks_per_node: Threads
    cpus: Threads
    memory: str | None
    time: Annotated[int, Field(ge=1, le=10**7)]
    warning: Annotated[int, Field(ge=1, le=2**16 - 1)]
    time_outs: Annotated[int, Field(ge=0, le=10**6)]
    setup: list[str]
    further: dict[str, Any]
