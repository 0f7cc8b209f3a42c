"""Two processes agree, fail together, and train as one process would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from torch import Tensor, nn

from boxseg.encoded_masks import EncodedMasks
from boxseg.engine.checkpoint import load_model_state, part_of_this_rank
from boxseg.engine.common_fate import failing_together
from boxseg.engine.distributed import (
    any_over_ranks,
    first_rank_first,
    init_from_environment,
    mean_by_name,
    mean_over_ranks,
    on_first_rank,
    shared_divisor,
    sum_over_ranks,
)
from boxseg.engine.evaluation import predictions_of
from boxseg.engine.trainer import DivergedError, StepTrainer
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms
from tests.engine.ranks import in_ranks


def conversation() -> dict[str, Any]:
    """What a process hears from the others."""
    own = torch.tensor([1.0, 10.0]) * (comm.get_rank() + 1)

    def refuse() -> None:
        raise InputError("no room.")

    with pytest.raises(InputError, match="no room"):
        on_first_rank(refuse)
    return {
        "size": comm.get_world_size(),
        "sum": sum_over_ranks(own).tolist(),
        "mean": mean_over_ranks(own).tolist(),
        "count": float(shared_divisor(3 * comm.get_rank(), 1, torch.device("cpu"))),  # 0 and 3
        "weights": float(shared_divisor(own[1], 1e-6)),  # 10 and 20
        "none": float(shared_divisor(0, 1, torch.device("cpu"))),
        "any": any_over_ranks(comm.get_rank() == 1),
        "nobody": any_over_ranks(False),
        "scalars": mean_by_name(
            {"loss": 1.0 + comm.get_rank()} | ({"bank": 7.0} if comm.get_rank() else {})
        ),
        "first": on_first_rank(lambda: comm.get_rank()),
        "gathered": comm.gather(comm.get_rank()),
        "turns": turns(),
    }


def turns() -> bool:
    """Whether the first process was through the block before this one."""
    through = torch.zeros(1)
    with first_rank_first():
        if comm.is_main_process():
            time.sleep(0.3)
        entered = time.monotonic()
        through += 1
    earliest = on_first_rank(lambda: entered)
    return entered >= earliest


@pytest.mark.slow
def test_processes_hear_from_each_other(heard: list[dict[str, Any]]) -> None:
    zero, one = (dict(answers["conversation"]) for answers in heard)
    assert zero["turns"] and one["turns"]
    assert zero.pop("gathered") == [0, 1]
    assert one.pop("gathered") == []
    assert zero == one
    assert zero["size"] == 2
    assert (zero["sum"], zero["mean"]) == ([3.0, 30.0], [1.5, 15.0])
    # Divided by half of the sum, a process's sum averages to that of both, divided by the sum.
    assert (zero["count"], zero["weights"], zero["none"]) == (1.5, 15.0, 0.5)
    assert (zero["any"], zero["nobody"]) == (True, False)
    assert zero["scalars"] == {"loss": 1.5, "bank": 7.0}
    assert zero["first"] == 0


def test_in_one_process_nothing_is_changed() -> None:
    tensor = torch.tensor([1.0, 2.0])
    init_from_environment({})
    assert (comm.get_rank(), comm.get_world_size(), comm.is_main_process()) == (0, 1, True)
    assert sum_over_ranks(tensor) is tensor
    assert mean_over_ranks(tensor) is tensor
    assert [shared_divisor(0, 1), shared_divisor(5, 1)] == [1, 5]
    assert type(shared_divisor(5, 1)) is int  # divides to the same digits as ever
    assert torch.equal(torch.as_tensor(shared_divisor(tensor.sum() * 0, 1e-6)), torch.tensor(1e-6))
    assert mean_by_name({"loss": 0.1}) == {"loss": 0.1}
    assert comm.gather(3) == [3]
    with first_rank_first(), failing_together():
        assert on_first_rank(lambda: 4) == 4


class Weighted(nn.Module):
    """Weighted squares divided by the weights of the whole batch; a bias that rank 1 never uses."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.bias = nn.Parameter(torch.zeros(1))
        self.spoil_at = 0

    def before_step(self, iteration: int) -> None:
        """Nothing to prepare."""

    def forward(self, batch: list[dict[str, Tensor]], iteration: int) -> LossTerms:
        x = torch.stack([sample["x"] for sample in batch])
        weights = torch.stack([sample["w"] for sample in batch])
        errors = x @ self.weight
        if comm.get_rank() == 0:
            errors = errors + self.bias * 0
        loss = (weights * errors**2).sum() / shared_divisor(weights.sum(), 1e-6)
        if iteration == self.spoil_at and comm.get_rank() == comm.get_world_size() - 1:
            loss = loss * float("nan")
        return LossTerms({"loss_weighted": loss}, {})


def shares(part: int, parts: int, accumulate: int) -> Iterator[list[dict[str, Tensor]]]:
    """A process's part of five batches of eight."""
    generator = torch.Generator().manual_seed(3)
    size = 8 // parts // accumulate
    for _ in range(5):
        x, w = torch.randn(8, 2, generator=generator), torch.rand(8, generator=generator)
        for number in range(accumulate):
            start = number * 8 // accumulate + part * size
            yield [{"x": x[i], "w": w[i]} for i in range(start, start + size)]


def five_steps(accumulate: int = 1, clip_norm: float | None = None) -> tuple[Any, list[float]]:
    """Train; the weights, and the loss of each step."""
    model = Weighted()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    batches = shares(comm.get_rank(), comm.get_world_size(), accumulate)
    trainer = StepTrainer(model, optimizer, batches, torch.float32, accumulate, clip_norm)
    found = []
    for step in range(5):
        trainer.train(step, step + 1)
        found.append(trainer.scalars["loss_weighted"])
    return model.weight.detach().tolist(), found


def every_training() -> list[Any]:
    return [five_steps(), five_steps(2), five_steps(clip_norm=0.1)]


@pytest.mark.slow
def test_two_processes_train_as_one_does(heard: list[dict[str, Any]]) -> None:
    alone = every_training()
    zero, one = (answers["training"] for answers in heard)
    assert zero == one
    for (weights, losses), (wanted_weights, wanted_losses) in zip(zero, alone, strict=True):
        assert weights == pytest.approx(wanted_weights, abs=1e-6)
        assert losses == pytest.approx(wanted_losses, abs=1e-6)
        assert losses[0] > losses[-1]


def failures() -> list[str]:
    """How each kind of failure of the second process ends in this one."""
    said = []
    model = Weighted()
    model.spoil_at = 2
    batches = shares(comm.get_rank(), comm.get_world_size(), 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(DivergedError) as diverged:
        StepTrainer(model, optimizer, batches, torch.float32).train(0, 5)
    said.append(str(diverged.value))
    try:
        with failing_together():
            if comm.get_rank() == 1:
                raise InputError("image 7 cannot be read.")
            sum_over_ranks(torch.ones(1))
    except InputError as error:
        said.append(str(error))
    with pytest.raises(InputError, match="its 2 processes cannot go on together"):
        init_from_environment()
    return said


@pytest.mark.slow
def test_processes_fail_together(heard: list[dict[str, Any]]) -> None:
    zero, one = (answers["failures"] for answers in heard)
    assert zero[0] == one[0] == "loss_weighted became nan at step 2"
    assert one[1] == "image 7 cannot be read."
    assert zero[1] == "process 1 of this run failed: image 7 cannot be read."


class Remembering(nn.Module):
    """A module with a memory beside its tensors."""

    def __init__(self, memory: str) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.memory = memory

    def get_extra_state(self) -> dict[str, str]:
        return {"memory": self.memory}

    def set_extra_state(self, state: dict[str, str]) -> None:
        self.memory = state["memory"]


def memories() -> tuple[str, bool]:
    content = {
        "model": Remembering("of rank 0").state_dict(),
        "random": {"of": 0},
        "other_ranks": [{"random": {"of": 1}, "extra": {"_extra_state": {"memory": "of rank 1"}}}],
    }
    model = Remembering("new")
    state, generators = part_of_this_rank(content, model)
    load_model_state(model, state, None)  # type: ignore[arg-type]
    return model.memory, generators == {"of": comm.get_rank()}


def memory_of_fewer() -> tuple[str, bool]:
    content = {"model": Remembering("of rank 0").state_dict(), "random": {"of": 0}}
    model = Remembering("new")
    state, generators = part_of_this_rank(content, model)
    load_model_state(model, state, None)  # type: ignore[arg-type]
    return model.memory, generators is None


@pytest.mark.slow
def test_each_process_takes_its_own_memory_from_a_checkpoint(heard: list[dict[str, Any]]) -> None:
    zero, one = (answers["memories"] for answers in heard)
    assert zero == [("of rank 0", True), ("of rank 0", False)]
    assert one == [("of rank 1", True), ("new", True)]


class Counting(nn.Module):
    """Finds one object per image, whose score tells the image and the size of its batch."""

    device = torch.device("cpu")

    def forward(self, batch: list[dict[str, Any]]) -> list[dict[str, Instances]]:
        found = []
        for x in batch:
            instances = Instances((4, 4))
            instances.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, 2.0, 2.0]]))
            instances.scores = torch.tensor([x["image_id"] + len(batch) / 10])
            instances.pred_classes = torch.tensor([0])
            instances.pred_masks = EncodedMasks.of(torch.ones(1, 4, 4, dtype=torch.bool))
            found.append({"instances": instances})
        return found


def seven_predictions() -> list[float]:
    """Scores of seven images in batches of two."""
    records = [{"image_id": number} for number in range(7)]
    found = predictions_of(Counting(), records, dict, [1], torch.float32, 2, "test")
    return [one["score"] for one in found]


@pytest.mark.slow
def test_processes_share_an_evaluation_by_whole_batches(heard: list[dict[str, Any]]) -> None:
    zero, one = (answers["predictions"] for answers in heard)
    assert zero == seven_predictions() == pytest.approx([0.2, 1.2, 2.2, 3.2, 4.2, 5.2, 6.1])
    assert one == []


def everything() -> dict[str, Any]:
    """What all tests look at: starting processes takes longer than what they do."""
    return {
        "conversation": conversation(),
        "training": every_training(),
        "memories": [memories(), memory_of_fewer()],
        "predictions": seven_predictions(),
        "failures": failures(),  # last: the processes part
    }


@pytest.fixture(scope="module")
def heard() -> list[dict[str, Any]]:
    """The answers of two processes."""
    return in_ranks(everything)
