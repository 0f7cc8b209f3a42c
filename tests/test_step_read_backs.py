"""A training step does not wait for a device more often because more is in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.layouts import layout_of
from benchmarks.settings import Work
from benchmarks.training_steps import TrainingSteps, prepare
from boxseg.engine.precision import denormal_numbers_as_zero

MOST = 30
"""Read-backs of a step, of any batch and number of objects."""


@pytest.fixture(autouse=True)
def arithmetic_as_before() -> Iterator[None]:
    """What the benchmark sets for the process that it has to itself ends with the test."""
    before = torch.are_deterministic_algorithms_enabled()
    with denormal_numbers_as_zero():
        yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize(
    ("method", "size"),
    # Of smaller images no more than half of SIM's pseudo masks are valid.
    [("boxinst", 64), ("boxteacher", 64), ("boxseg", 64), ("sim", 96)],
)
def test_read_backs_do_not_grow_with_the_batch(method: str, size: int, tmp_path: Path) -> None:
    layout = layout_of(Path(__file__).parents[1])
    counts, taught = [], []
    for batch, objects in ((2, 3), (8, 6), (8, 30)):
        work = Work("mini", size, batch, objects)
        prepare(layout, work, method, tmp_path)
        steps = TrainingSteps(layout, work, method, "float32", "cpu", tmp_path)
        # Whether something is pasted is drawn: the step that waits most counts.
        counts.append(max(steps.read_backs() for _ in range(4)))
        taught.append(steps.means())
    few, *many = counts
    assert max(many) <= few <= MOST
    if method != "boxinst":  # the teacher's labels were made, and used
        assert all(means["pseudo_valid_share"] > 0.5 for means in taught)
    if method == "boxseg":
        # 30 objects overlap too much for any to become a tutor.
        assert taught[1]["copy_paste_pastes"] > 1
