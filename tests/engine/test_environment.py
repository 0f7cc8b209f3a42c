"""What a run records of where and with what it was made."""

from __future__ import annotations

import re

import torch

from boxseg.engine.environment import describe_code, describe_environment, installed


def test_environment() -> None:
    found = describe_environment(torch.device("cpu"), torch.bfloat16)
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    assert found["precision"] == found["convolutions"] == "bfloat16"
    assert found["deterministic"] is torch.are_deterministic_algorithms_enabled()
    assert found["threads"] == torch.get_num_threads()
    assert re.search(r", \d+ cores$", found["host"])


def test_code() -> None:
    found = describe_code()
    assert set(found) == {"commit", "dirty"}
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", found["commit"])
    assert isinstance(found["dirty"], bool)


def test_a_package_that_is_not_there() -> None:
    assert installed("boxseg-surely-not-a-package") == "not installed"
