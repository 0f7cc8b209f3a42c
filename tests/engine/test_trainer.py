"""One training step, with a model small enough to follow by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from boxseg.engine.trainer import DivergedError, StepTrainer
from tests.engine.regression import Regression, batches
from tools.read_backs import ReadBacks


def trainer(model: Regression, *sizes: int, accumulate: int = 1, clip_norm: float | None = None):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return StepTrainer(model, optimizer, batches(*sizes), torch.float32, accumulate, clip_norm)


def test_a_step_by_hand() -> None:
    model = Regression()
    step = StepTrainer(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        iter([[{"x": torch.tensor([1.0, 2.0]), "y": torch.tensor(1.0)}]]),
        torch.float32,
    )
    step.train(0, 1)
    # w = (1, -2): error 1 - 4 - 1 = -4, loss 16, gradient 2 * -4 * (1, 2) = (-8, -16).
    assert step.scalars == {"loss_square": 16, "largest_error": 4, "total_loss": 16}
    assert model.weight.tolist() == pytest.approx([1 + 0.8, -2 + 1.6])
    assert model.weight.grad is None


def test_halves_accumulated_are_one_whole_batch() -> None:
    whole, halves = Regression(), Regression()
    at_once, in_turn = trainer(whole, 8, 8), trainer(halves, 4, 4, 4, 4, accumulate=2)
    for step in (at_once, in_turn):
        step.train(0, 2)
    torch.testing.assert_close(halves.weight, whole.weight)
    for name in ("loss_square", "total_loss"):
        assert in_turn.scalars[name] == pytest.approx(at_once.scalars[name])


def test_the_model_is_told_of_each_step_once_and_from_one() -> None:
    model = Regression()
    trainer(model, 2, 2, 2, 2, 2, 2, accumulate=2).train(0, 3)
    assert model.steps == [1, 2, 3]
    resumed = Regression()
    trainer(resumed, 2).train(2, 3)
    assert resumed.steps == [3]


def test_the_whole_gradient_is_clipped() -> None:
    free, clipped, loose = Regression(), Regression(), Regression()
    trainer(free, 4).train(0, 1)
    trainer(clipped, 4, clip_norm=0.5).train(0, 1)
    trainer(loose, 4, clip_norm=1e6).train(0, 1)
    start = Regression().weight.detach()
    move, short = free.weight.detach() - start, clipped.weight.detach() - start
    assert float(move.norm()) > 0.05
    assert float(short.norm()) == pytest.approx(0.1 * 0.5, rel=1e-4)  # rate times norm
    torch.testing.assert_close(short / short.norm(), move / move.norm())
    assert torch.equal(loose.weight, free.weight)


def test_diagnostics_are_not_summed_and_may_be_anything() -> None:
    class Diagnosed(Regression):
        def forward(self, batch, iteration):  # type: ignore[no-untyped-def]
            terms = super().forward(batch, iteration)
            terms.diagnostics["share"] = torch.tensor(float("nan"))
            return terms

    step = trainer(Diagnosed(), 4)
    step.train(0, 1)
    assert step.scalars["total_loss"] == step.scalars["loss_square"]


class Spoilt(Regression):
    """At its third step one loss, or only its gradient, is not finite."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def further_losses(self, iteration: int) -> dict[str, Tensor]:
        if iteration < 3:
            return {"loss_odd": self.weight.sum() * 0}
        if self.value == 0:  # sqrt is 0 at 0, its slope infinite, and infinity times 0 no number
            return {"loss_odd": (self.weight.sum() * 0).sqrt()}
        return {"loss_odd": self.weight.sum() * 0 + self.value}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "loss_odd became nan at step 3"),
        (float("inf"), "loss_odd became inf at step 3"),
        (float("-inf"), "loss_odd became -inf at step 3"),
        (0.0, "the gradient's norm became nan at step 3"),
    ],
    ids=["nan", "inf", "-inf", "gradient"],
)
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_divergence_stops_before_it_reaches_the_parameters(
    value: float, said: str, clip_norm: float | None
) -> None:
    model = Spoilt(value)
    step = trainer(model, 4, 4, 4, 4, clip_norm=clip_norm)
    step.train(0, 2)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(DivergedError) as caught:
        step.train(2, 4)
    assert str(caught.value) == said
    assert torch.equal(model.weight, before["weight"])
    assert model.steps == [1, 2, 3]


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_reads_from_the_device_once(clip_norm: float | None, accumulate: int) -> None:
    step = trainer(Regression(), *[4] * 2 * accumulate, accumulate=accumulate, clip_norm=clip_norm)
    step.train(0, 1)
    with ReadBacks() as found:
        step.train(1, 2)
    places = {place.partition(":")[0] for _, place in found.counts}
    assert (found.total, places) == (1, {"engine/trainer.py"}), found


def test_without_a_limit_the_gradient_is_left_as_it_is() -> None:
    limited, free = Regression(), Regression()
    trainer(limited, 4, 4, clip_norm=1e30).train(0, 2)
    trainer(free, 4, 4).train(0, 2)
    assert torch.equal(limited.weight, free.weight)
