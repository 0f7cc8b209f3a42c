"""What a run at paper scale will cost, estimated from a small table of reference rates."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from boxseg.errors import InputError
from experiments.configuration.choices import FOLDER
from experiments.configuration.run_configuration import RunConfiguration
from reports.validation import explain

FILE = FOLDER / "cost.yaml"
USUAL = "coco"
"""The reference of data that have none of their own."""


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


class Rates(_Part):
    """`cost.yaml`."""

    references: dict[str, Reference]
    methods: dict[str, PositiveFloat]
    backbones: dict[str, PositiveFloat]
    gpus: tuple[PositiveInt, ...]

    def of_dataset(self, name: str) -> Reference:
        """The reference that runs on a dataset are compared with."""
        return self.references.get(name, self.references[USUAL])

    def relative(self, method: str, backbone: str) -> float | None:
        """A step's cost in units of the table; None for a method or backbone that it lacks."""
        kinds = [name for name in self.methods if f"{method}-".startswith(f"{name}-")]
        if not kinds or backbone not in self.backbones:
            return None
        return self.methods[max(kinds, key=len)] * self.backbones[backbone]


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
    return table


def gpu_hours(config: RunConfiguration) -> float | None:
    """Estimated GPU hours of a run, on its reference's GPU; None for a method without a rate."""
    table = rates()
    relative = table.relative(config.method, config.backbone)
    if relative is None:
        return None
    reference = table.of_dataset(config.dataset.name)
    unit = table.relative(reference.method, reference.backbone)
    assert unit is not None
    images = config.solver.iterations * config.solver.batch_size * config.solver.accumulate
    return reference.hours * relative / unit * images / reference.images


def work(config: RunConfiguration) -> float:
    """A run's training, to compare runs of one scale: images seen times the cost of a step.

    What the table of rates does not list counts as its unit, BoxTeacher with a ResNet-50.
    """
    images = config.solver.iterations * config.solver.batch_size * config.solver.accumulate
    return images * (rates().relative(config.method, config.backbone) or 1.0)


def cost_text(hours: float) -> str:
    """GPU hours, and the wall time on so many GPUs."""
    wall = ", ".join(f"{hours / gpus:.0f} h on {gpus}" for gpus in rates().gpus)
    return f"about {hours:.0f} GPU hours (wall time {wall})"


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
