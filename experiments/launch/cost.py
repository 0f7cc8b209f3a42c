"""What a run at paper scale will cost on two kinds of cards, from a small table of rates."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from boxseg.errors import InputError
from experiments.configuration.choices import FOLDER
from experiments.configuration.run_configuration import RunConfiguration
from reports.validation import explain

FILE = FOLDER / "cost.yaml"
USUAL = "coco"
"""The reference of data that have none of their own."""
UNIT = "boxteacher"
"""The method that the costs of methods are relative to."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reference(_Part):
    """A run whose cost was measured: `hours` are of all its `gpus` together."""

    hours: PositiveFloat
    gpus: PositiveInt
    gpu: str
    method: str
    backbone: str
    iterations: PositiveInt
    batch: PositiveInt
    source: str

    @property
    def images(self) -> int:
        """Images seen."""
        return self.iterations * self.batch


class Step(_Part):
    """Seconds that a training step of this suite took, and gigabytes, if they were looked at."""

    method: str
    batch: PositiveInt
    precision: Literal["float32", "bfloat16"]
    seconds: PositiveFloat
    gigabytes: PositiveFloat | None = None


class Steps(_Part):
    """Steps of this suite, all measured on one GPU of a kind, with one backbone."""

    gpu: str
    backbone: str
    source: str
    measured: tuple[Step, ...]


def _kind(method: str, known: Iterable[str]) -> str | None:
    """The known method that one is, or is a variant of."""
    kinds = [name for name in known if f"{method}-".startswith(f"{name}-")]
    return max(kinds, key=len, default=None)


class Rates(_Part):
    """`cost.yaml`."""

    references: dict[str, Reference]
    steps: Steps
    methods: dict[str, PositiveFloat]
    backbones: dict[str, PositiveFloat]
    gpus: tuple[PositiveInt, ...]

    def of_dataset(self, name: str) -> Reference:
        """The reference that runs on a dataset are compared with."""
        return self.references.get(name, self.references[USUAL])

    def relative(self, method: str, backbone: str) -> float | None:
        """A step's cost in units of the table; None for a method or backbone that it lacks."""
        kind = _kind(method, self.methods)
        if kind is None or backbone not in self.backbones:
            return None
        return self.methods[kind] * self.backbones[backbone]

    def nearest_step(self, method: str, batch: int, precision: str) -> Step | None:
        """The step that is most like a run's: of its method, then precision, then batch."""
        measured = {
            step.method
            for step in self.steps.measured
            if _kind(step.method, self.methods) == _kind(method, self.methods)
        }
        kind = _kind(method, measured)
        return min(
            (step for step in self.steps.measured if step.method == kind),
            key=lambda step: (step.precision != precision, abs(math.log(step.batch / batch))),
            default=None,
        )

    def gigabytes(self, method: str, batch: int, backbone: str) -> float | None:
        """Of a GPU's memory that a step takes: the measured one of its batch, or as images go.

        Of a method that was not measured, or not at this batch, it is what the greatest takes for
        an image; None with a backbone that nothing is known of.
        """
        if backbone not in self.backbones:
            return None
        looked_at = [step for step in self.steps.measured if step.gigabytes is not None]
        own = [s for s in looked_at if _kind(s.method, self.methods) == _kind(method, self.methods)]
        an_image = [(s.gigabytes or 0) / s.batch for s in own or looked_at]
        return max(an_image, default=0) * batch * self.backbones[backbone] or None


def rates() -> Rates:
    """The table of reference rates.

    Raises:
        InputError: the file is no YAML, or has an unknown, missing or wrong key.
    """
    return _read(FILE)


@functools.cache
def _read(file: Path) -> Rates:
    try:
        table = Rates.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as YAML ({reason}); mend it.") from None
    except ValidationError as error:
        raise InputError(f"{file}: {explain(error, Rates)}; correct it.") from None
    for name, reference in table.references.items():
        if table.relative(reference.method, reference.backbone) is None:
            raise InputError(
                f"{file}: the reference '{name}' is of {reference.method} with "
                f"{reference.backbone}, which methods and backbones do not list; add them."
            )
    if USUAL not in table.references:
        raise InputError(f"{file}: references lack '{USUAL}', the one of all other data; add it.")
    for step in table.steps.measured:
        if table.relative(step.method, table.steps.backbone) is None:
            raise InputError(
                f"{file}: steps are of {step.method} with {table.steps.backbone}, which methods "
                "and backbones do not list; add them."
            )
    if table.nearest_step(UNIT, 1, "float32") is None:
        raise InputError(f"{file}: steps lack {UNIT}, the one that others follow from; add it.")
    return table


def images_seen(config: RunConfiguration) -> int:
    """Images that a run trains on, repeated ones counted."""
    return config.solver.iterations * config.solver.batch_size * config.solver.accumulate


def gpu_hours(config: RunConfiguration) -> float | None:
    """Estimated GPU hours of a run, on its reference's GPU; None for a method without a rate."""
    table = rates()
    relative = table.relative(config.method, config.backbone)
    if relative is None:
        return None
    reference = table.of_dataset(config.dataset.name)
    unit = table.relative(reference.method, reference.backbone)
    assert unit is not None
    return reference.hours * relative / unit * images_seen(config) / reference.images


@dataclass(frozen=True)
class OwnHours:
    """GPU hours of a run's training, from this suite's own steps.

    Attributes:
        hours: on the GPU that steps were measured on.
        inferred: what of it was not measured but inferred: "method", "precision", "batch",
            "backbone"; empty if the very step was measured.
    """

    hours: float
    inferred: tuple[str, ...]


def own_gpu_hours(config: RunConfiguration) -> OwnHours | None:
    """Estimated GPU hours of a run, from this suite's steps; None for a method without a rate.

    Time is taken to go with the images seen. A method that was not measured is BoxTeacher times the
    ratio of their costs, and a backbone that was not, the one that was times theirs.
    """
    table = rates()
    relative = table.relative(config.method, config.backbone)
    if relative is None:
        return None
    batch, precision = config.solver.batch_size, config.solver.precision
    if precision == "auto":  # what it is on this kind of GPU
        precision = "bfloat16"
    step = table.nearest_step(config.method, batch, precision)
    is_measured = step is not None
    step = step or table.nearest_step(UNIT, batch, precision)
    assert step is not None
    unit = table.relative(config.method if is_measured else step.method, table.steps.backbone)
    assert unit is not None
    differs = {
        "method": not is_measured,
        "precision": step.precision != precision,
        "batch": step.batch != batch,
        "backbone": config.backbone != table.steps.backbone,
    }
    seconds = step.seconds / step.batch * images_seen(config) * relative / unit
    return OwnHours(seconds / 3600, tuple(name for name, inferred in differs.items() if inferred))


def gpu_gigabytes(config: RunConfiguration) -> float | None:
    """Estimated peak of each GPU's memory in a run; None where nothing like it was measured.

    Activations are taken to go with the images of a batch and with the backbone's multiply-adds.
    """
    if config.scale.name != "paper":
        return None  # of images of another size
    batch = -(-config.solver.batch_size // (config.launcher.nodes * config.launcher.tasks_per_node))
    return rates().gigabytes(config.method, batch, config.backbone)


def work(config: RunConfiguration) -> float:
    """A run's training, to compare runs of one scale: images seen times the cost of a step.

    What the table of rates does not list counts as its unit, BoxTeacher with a ResNet-50.
    """
    return images_seen(config) * (rates().relative(config.method, config.backbone) or 1.0)


def cost_text(hours: float, gpu: str) -> str:
    """GPU hours on a kind of GPU, and the wall time on so many of them."""
    wall = ", ".join(f"{_rounded(hours / gpus)} h on {gpus}" for gpus in rates().gpus)
    return f"about {_rounded(hours)} GPU hours on {gpu} (wall time {wall})"


def _rounded(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"


def run_cost_text(config: RunConfiguration) -> str:
    """Both estimates for a run; of this suite's, what of it is inferred."""
    hours, own, table = gpu_hours(config), own_gpu_hours(config), rates()
    if hours is None or own is None:
        return "no estimate"
    how = f"inferred: {' and '.join(own.inferred)}" if own.inferred else "as measured"
    memory = gpu_gigabytes(config)
    takes = f"; about {memory:.0f} GB of each GPU's memory" if memory else ""
    return (
        f"{cost_text(hours, table.of_dataset(config.dataset.name).gpu)}; "
        f"{cost_text(own.hours, table.steps.gpu)}, {how}{takes}"
    )


def total_cost_text(configs: Iterable[RunConfiguration]) -> str:
    """Both estimates for several runs together, as far as there are any."""
    table, by_gpu = rates(), dict[str, float]()
    for config in configs:
        hours, own = gpu_hours(config), own_gpu_hours(config)
        if hours is None or own is None:
            continue
        gpu = table.of_dataset(config.dataset.name).gpu
        by_gpu[gpu] = by_gpu.get(gpu, 0.0) + hours
        by_gpu[table.steps.gpu] = by_gpu.get(table.steps.gpu, 0.0) + own.hours
    return "; ".join(cost_text(hours, gpu) for gpu, hours in by_gpu.items())


def basis_text(datasets: Iterable[str]) -> str:
    """What the estimates for runs on these datasets rest on."""
    table = rates()
    references = dict.fromkeys(table.of_dataset(name) for name in datasets)
    measured = "; ".join(
        f"{one.hours:g} GPU hours for {one.method}, {one.backbone}, {one.iterations} iterations on "
        f"{one.gpus} {one.gpu}: {one.source}"
        for one in references
    )
    return f"estimated from {measured}; wall times as if n GPUs were n times as fast as one"


def own_basis_text() -> str:
    """What the estimates from this suite's own steps rest on."""
    table = rates()
    steps = ", ".join(
        f"{one.method} {one.seconds:.3f} s (batch {one.batch}, {one.precision})"
        for one in table.steps.measured
    )
    return (
        f"{table.steps.gpu}: training alone, from steps measured on {table.steps.source}: {steps}. "
        "Inferred where a run says so: batch, as if time went with the images; precision, from the "
        f"other one; backbone, by multiply-adds; method, from {UNIT}'s by the ratio of steps on a "
        "CPU"
    )
