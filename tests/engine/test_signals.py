"""A warning is heeded between two steps: what was done is saved, then the signal does its work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from boxseg.engine.signals import WARNINGS, SaveOnSignal
from boxseg.engine.trainer import StepTrainer
from tests.conftest import REPOSITORY
from tests.engine.regression import Regression, batches


class Warned(Regression):
    """Its process gets signals in the middle of a step."""

    def __init__(self, *numbers: int, at: int = 2) -> None:
        super().__init__()
        self.numbers, self.at = numbers, at

    def further_losses(self, iteration: int) -> dict[str, Tensor]:
        if iteration == self.at:
            for number in self.numbers:
                signal.raise_signal(number)
        return {}


def trained(model: Regression, events: list[object], steps: int = 4) -> StepTrainer:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    trainer = StepTrainer(model, optimizer, batches(*[2] * steps), torch.float32)
    trainer.register_hooks([SaveOnSignal(events.append)])
    trainer.train(0, steps)
    return trainer


@pytest.fixture
def events() -> Iterator[list[object]]:
    """What was saved and which signals did their work, in this order; nothing dies of them."""
    happened: list[object] = []

    def handler(number: int, frame: object) -> None:
        happened.append(signal.Signals(number).name)

    before = {number: signal.signal(number, handler) for number in WARNINGS}
    yield happened
    for number, earlier in before.items():
        signal.signal(number, earlier)


def test_nothing_happens_without_a_signal(events: list[object]) -> None:
    trained(Regression(), events)
    assert events == []


def test_the_step_is_finished_and_saved_before_the_signal_works(events: list[object]) -> None:
    whole, warned = Regression(), Warned(signal.SIGUSR2)
    trained(whole, [])
    trained(warned, events)
    assert events == [2, "SIGUSR2"]
    assert torch.equal(warned.weight, whole.weight)


def test_cancelling_sends_two_signals_and_saves_once(events: list[object]) -> None:
    trained(Warned(signal.SIGTERM, signal.SIGUSR2), events)
    assert events == [2, "SIGTERM", "SIGUSR2"]


def test_a_signal_in_the_last_step_is_heeded_too(events: list[object]) -> None:
    trained(Warned(signal.SIGTERM, at=4), events)
    assert events == [4, "SIGTERM"]


def test_outside_of_training_signals_work_as_before(events: list[object]) -> None:
    before = {number: signal.getsignal(number) for number in WARNINGS}
    trained(Regression(), events)
    assert {number: signal.getsignal(number) for number in WARNINGS} == before
    signal.raise_signal(signal.SIGUSR2)
    assert events == ["SIGUSR2"]


def test_an_exit_by_the_signal_leaves_the_handlers_as_they_were() -> None:
    def leave(number: int, frame: object) -> None:
        raise SystemExit(3)

    saved: list[object] = []
    before = signal.signal(signal.SIGUSR2, leave)
    try:
        with pytest.raises(SystemExit):
            trained(Warned(signal.SIGUSR2), saved)
        assert signal.getsignal(signal.SIGUSR2) is leave
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert saved == [2]


def test_signals_that_were_ignored_stay_so(events: list[object]) -> None:
    """As `nohup` and shells without job control have it for their children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    trained(Warned(signal.SIGINT, signal.SIGHUP), events)
    assert events == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_control_c_is_an_exception_after_saving() -> None:
    saved: list[object] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trained(Warned(signal.SIGINT, signal.SIGTERM), saved)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert saved == [2]


DEFAULT = """
import signal, sys
from pathlib import Path
from tests.engine.test_signals import Warned, trained

class File(list):
    def append(self, step):
        Path(sys.argv[1]).write_text(str(step))

signal.signal(signal.SIGINT, signal.SIG_DFL)
trained(Warned(*[getattr(signal, name) for name in sys.argv[2:]]), File())
Path(sys.argv[1]).write_text("trained on")
"""


@pytest.mark.slow  # imports torch anew
@pytest.mark.parametrize("name", [number.name for number in WARNINGS])
def test_without_a_handler_the_process_ends_after_saving(tmp_path: Path, name: str) -> None:
    saved = tmp_path / "saved"
    command = [sys.executable, "-W", "ignore", "-c", DEFAULT, str(saved), name]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == -getattr(signal, name), done.stderr
    assert saved.read_text() == "2"


@pytest.mark.slow  # imports torch anew
def test_a_second_control_c_does_not_wait_for_the_step(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    command = [sys.executable, "-W", "ignore", "-c", DEFAULT, str(saved), "SIGINT", "SIGINT"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert not saved.exists()
