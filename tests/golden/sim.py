"""The released SIM as our YAML composes it, around the golden files' small networks."""

from __future__ import annotations

import re
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from baselines.sim.prototypes import Prototypes
from baselines.sim.released import visible_centers
from baselines.sim.released_copy_paste import BankImage, ReleasedImageCopyPaste
from baselines.sim.released_step import ReleasedSIM
from boxseg.condinst import CondInst
from experiments.configuration.build import build as build_component
from experiments.configuration.compose import compose
from tests.golden.files import Golden
from tests.golden.models import build
from tests.golden.weights import apply_recipe, published_name


class StoredAssignment:
    """Gives out, call by call, the indices that the released code drew."""

    def __init__(self, indices: Tensor) -> None:
        self.indices = indices.long()

    def __call__(self, similarities: Tensor, classes: Tensor, groups: int) -> Tensor:
        assert classes.tolist() == sorted(classes.tolist())  # the order that they are stored in
        given, self.indices = self.indices[: len(classes)], self.indices[len(classes) :]
        return given


class RecordingPrototypes(Prototypes):
    """Keeps what it was taught: per step, the arguments of `learn`."""

    def learn(self, *taught: Tensor) -> None:
        self.taught = [*getattr(self, "taught", []), taught]
        super().learn(*taught)


class RecordingCopyPaste(ReleasedImageCopyPaste):
    """Keeps what it was last asked to remember."""

    def remember(self, *remembered: Any) -> None:
        self.remembered = remembered
        super().remember(*remembered)


def told(golden: Golden, case: str) -> tuple[int, bool]:
    """The counter before a case's forward, and whether it pastes."""
    words = golden.meta["cases"][case]
    counter = re.search(r"_iter before the forward = (\d+)", words)
    paste = re.search(r"paste=(True|False)", words)
    assert counter and paste
    return int(counter[1]), paste[1] == "True"


def slow_name(name: str) -> str:
    """The released name of a tensor of the slow network."""
    module, _, rest = published_name(name).partition(".")
    return f"{module}_ema.{rest}"


def prototypes_of(given: Tensor, indices: Tensor) -> RecordingPrototypes:
    """Prototypes (C, K, D) as the released code has them before a forward."""
    classes, count, channels = given.shape
    prototypes = RecordingPrototypes(
        classes, channels, count, assignment=StoredAssignment(indices), normalised_axis=1
    )
    prototypes.prototypes.copy_(F.normalize(given, dim=1))
    return prototypes


def bank_images(golden: Golden, prefix: str) -> list[BankImage]:
    """The bank's images in the arrays of a prefix."""
    images: list[BankImage] = []
    while f"{prefix}{len(images)}_image" in golden.arrays:
        name = f"{prefix}{len(images)}"
        image = golden.tensor(f"{name}_image")
        images.append(
            BankImage(
                image=image,
                classes=golden.tensor(f"{name}_classes").long(),
                masks=golden.bits(f"{name}_masks_packed", image.shape[2]),
                scores=golden.tensor(f"{name}_score"),
            )
        )
    return images


def released_sim(golden: Golden, case: str) -> ReleasedSIM:
    """`method=sim-released` before a case's forward, in training mode."""
    settings = golden.section("BOXINST", {})
    config = compose(["scale=paper", "dataset=coco", "method=sim-released"])
    losses = config.segmenter["mask_losses"]
    assert losses["box"]["color_threshold"] == settings["PAIRWISE"]["COLOR_THRESH"]
    assert losses["box"]["warmup_iterations"] == settings["PAIRWISE"]["WARMUP_ITERS"]
    assert losses["box"]["bottom_rows_removed"] == settings["BOTTOM_PIXELS_REMOVED"]
    assert config.model["prototypes"]["per_class"] == settings["NUM_PROTO"]

    def network() -> CondInst:
        model = build(golden, {}, [build_component(term) for term in losses.values()])
        model.detector.object_centers = visible_centers
        return model

    slow = network()
    apply_recipe(slow, golden.meta["controller_scale"], slow_name)
    counter, pastes = told(golden, case)
    copy_paste = RecordingCopyPaste(settings["LENGTH"], probability=1.0)
    if pastes:
        copy_paste.bank.extend(bank_images(golden, "bank"))
    copy_paste.numbers.seed(int(golden.arrays[f"{case}_random_seed"]))
    model = build_component(
        config.model,
        student=network(),
        slow=slow,
        prototypes=prototypes_of(golden.tensor("prototypes_in"), golden.tensor(f"{case}_assign")),
        copy_paste=copy_paste,
    )
    assert isinstance(model, ReleasedSIM)
    assert counter >= model.start_iterations or counter + 1 <= model.start_iterations
    return model.train()


def losses_of(golden: Golden, case: str, model: ReleasedSIM) -> dict[str, Tensor]:
    """The losses of a case's forward."""
    losses: dict[str, Tensor] = model(golden.inputs(), told(golden, case)[0] + 1).losses
    return losses
