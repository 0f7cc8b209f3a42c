"""Checkpoints: going on as if never stopped, and refusing what is none of ours."""

from __future__ import annotations

import contextlib
import pickle
import random
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from boxseg.engine.checkpoint import (
    CheckpointWriter,
    checkpoint_content,
    load_model_state,
    read_checkpoint,
    read_state_dict,
    restore_random_states,
    write_checkpoint,
)
from boxseg.errors import InputError
from tests.file_size_limit import file_size_limit


class Run:
    """A model in training that depends on every generator there is."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 0.1)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)

    def step(self) -> None:
        x = torch.randn(6, 4) * random.random() + torch.from_numpy(np.random.rand(6, 4)).float()
        self.optimizer.zero_grad()
        self.model(x).square().mean().backward()
        self.optimizer.step()
        self.scheduler.step()

    def content(self, iteration: int) -> memoryview | None:
        return checkpoint_content(self.model, iteration, "abc", 1.5, self.optimizer, self.scheduler)

    def save(self, file: Path, iteration: int = 3) -> None:
        write_checkpoint(file, self.content(iteration))

    def load(self, file: Path) -> dict[str, Any]:
        content = read_checkpoint(file)
        load_model_state(self.model, content["model"], file)
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        restore_random_states(content["random"])
        return content


def test_a_resumed_run_does_what_the_stopped_one_would_have(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    run = Run()
    for _ in range(3):
        run.step()
    np.random.randn()  # leaves a second normal number cached, which belongs to the state
    random.gauss(0, 1)
    run.save(file)
    for _ in range(3):
        run.step()
    expected = [np.random.randn(), random.gauss(0, 1), random.random(), float(torch.rand(()))]

    resumed = Run()
    for _ in range(5):  # anywhere else
        resumed.step()
    content = resumed.load(file)
    assert (content["iteration"], content["config_sha256"], content["seconds"]) == (3, "abc", 1.5)
    for _ in range(3):
        resumed.step()
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name
    found = [np.random.randn(), random.gauss(0, 1), random.random(), float(torch.rand(()))]
    assert found == expected


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    small, large = nn.Linear(2, 2), nn.Linear(400, 400)  # the second takes 640 kB
    write_checkpoint(file, checkpoint_content(small, 1, "abc", 0.0))
    before = file.read_bytes()
    with file_size_limit(200_000), pytest.raises(InputError) as caught:
        write_checkpoint(file, checkpoint_content(large, 2, "abc", 0.0))
    assert str(caught.value) == (
        f"cannot write {file}: File too large; free the disk or choose a writable folder."
    )
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
    load_model_state(nn.Linear(2, 2), read_checkpoint(file)["model"], file)


def test_what_is_written_later_is_the_state_when_it_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    run = Run()
    with CheckpointWriter(file) as writer:
        run.step()
        wanted = [p.detach().clone() for p in run.model.parameters()]
        content = run.content(1)
        run.step()
        writer.write(1, content)
        run.step()
    assert writer.written == 1
    assert not list(tmp_path.glob(".*"))
    loaded = Run()
    loaded.load(file)
    for found, expected in zip(loaded.model.parameters(), wanted, strict=True):
        assert torch.equal(found, expected)


def test_one_checkpoint_after_the_other_is_written(tmp_path: Path) -> None:
    file, run = tmp_path / "checkpoint.pt", Run()
    with CheckpointWriter(file) as writer:
        assert writer.written is None
        for iteration in (1, 2, 3):
            writer.write(iteration, run.content(iteration))
            assert writer.written == (iteration - 1 or None)
        writer.wait()
        assert read_checkpoint(file)["iteration"] == writer.written == 3


@pytest.mark.parametrize("asked", ["write", "wait", "end"])
def test_what_could_not_be_written_is_told_by_whatever_comes_next(
    tmp_path: Path, asked: str
) -> None:
    file, run = tmp_path / "checkpoint.pt", Run()
    write_checkpoint(file, run.content(1))
    large = checkpoint_content(nn.Linear(400, 400), 2, "abc", 0.0)
    with pytest.raises(InputError) as caught, CheckpointWriter(file) as writer:
        with file_size_limit(200_000):
            writer.write(2, large)
            futures.wait([writer._writing[1]])
        if asked == "write":
            writer.write(3, run.content(3))
        elif asked == "wait":
            writer.wait()
    assert str(caught.value) == (
        f"cannot write {file}: File too large; free the disk or choose a writable folder."
    )
    assert writer.written is None
    assert read_checkpoint(file)["iteration"] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_another_error_is_not_hidden_by_what_could_not_be_written(tmp_path: Path) -> None:
    large = checkpoint_content(nn.Linear(400, 400), 2, "abc", 0.0)
    with pytest.raises(KeyError), CheckpointWriter(tmp_path / "checkpoint.pt") as writer:
        with file_size_limit(200_000):
            writer.write(2, large)
            futures.wait([writer._writing[1]])
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint(tmp_path: Path, share: float) -> None:
    file = tmp_path / "checkpoint.pt"
    Run().save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"checkpoint\.pt cannot be read .*; mend it\."):
        read_checkpoint(file, "mend it")


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    for read in (read_checkpoint, read_state_dict):
        with pytest.raises(InputError, match="does not exist"):
            read(tmp_path / "checkpoint.pt")


class Payload:
    """Unpickling it would make a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("kind", ["plain pickle", "torch file", "within a checkpoint"])
def test_code_in_a_foreign_pickle_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    trace, file = tmp_path / "ran", tmp_path / "checkpoint.pt"
    if kind == "plain pickle":
        file.write_bytes(pickle.dumps(Payload(trace), protocol=2))
    elif kind == "torch file":
        torch.save(Payload(trace), file)
    else:
        Run().save(file)
        torch.save(read_checkpoint(file) | {"extra": Payload(trace)}, file)
    for read in (read_checkpoint, read_state_dict):
        with pytest.raises(InputError, match="cannot be read"):
            read(file)
    assert not trace.exists()
    # The payload is a real one: a reader that trusts the file would have run it.
    with contextlib.suppress(RuntimeError):
        torch.load(file, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("content", [[1, 2], {"format": 2}, {"format": 1}, {"model": {}}, None])
def test_torch_files_that_are_no_checkpoints(tmp_path: Path, content: object) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save(content, file)
    with pytest.raises(InputError, match="is not a checkpoint of this suite's format 1"):
        read_checkpoint(file)


def test_a_checkpoint_of_a_later_format(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    Run().save(file)
    torch.save(read_checkpoint(file) | {"format": 2}, file)
    with pytest.raises(InputError, match="is not a checkpoint of this suite's format 1"):
        read_checkpoint(file)


def test_state_dicts(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(nn.Linear(2, 3).state_dict(), file)
    assert sorted(read_state_dict(file)) == ["bias", "weight"]
    for other in ({"a": 1}, [torch.zeros(1)]):
        torch.save(other, file)
        with pytest.raises(InputError, match="holds no state dict"):
            read_state_dict(file)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (nn.Sequential(nn.Linear(2, 4)), r"2 of another shape \(first: 0\.weight\)"),
        (nn.Sequential(nn.Linear(2, 3, bias=False)), r"1 tensors missing.*\(first: 0\.bias\)"),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)), r"2 left over.*\(first: 1\.weight\)"),
    ],
    ids=["shape", "missing", "left over"],
)
def test_another_architecture(other: nn.Module, said: str) -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    before = model[0].weight.detach().clone()
    with pytest.raises(InputError, match="is of another architecture.*" + said):
        load_model_state(model, other.state_dict(), Path("checkpoint.pt"))
    assert torch.equal(model[0].weight, before)
