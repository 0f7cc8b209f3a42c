"""Which arithmetic a run uses."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from boxseg.engine.precision import (
    autocast,
    chosen_precision,
    convolution_arithmetic,
    cpu_has_fast_bfloat16,
    denormal_numbers_as_zero,
    use_published_arithmetic,
)
from boxseg.errors import InputError

CPU = torch.device("cpu")


def test_what_is_asked_for_is_used() -> None:
    assert chosen_precision("float32", CPU) == torch.float32
    assert chosen_precision("bfloat16", CPU) == torch.bfloat16
    fast = torch.bfloat16 if cpu_has_fast_bfloat16() else torch.float32
    assert chosen_precision("auto", CPU) == fast


@pytest.mark.parametrize("name", ["float16", "", "Float32"])
def test_unknown_precisions(name: str) -> None:
    with pytest.raises(InputError, match="is not one of auto, float32, bfloat16"):
        chosen_precision(name, CPU)


def test_what_is_recorded_of_convolutions() -> None:
    use_published_arithmetic()
    assert torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert convolution_arithmetic(torch.float32, CPU) == "float32"
    assert convolution_arithmetic(torch.bfloat16, CPU) == "bfloat16"
    assert convolution_arithmetic(torch.bfloat16, torch.device("cuda")) == "bfloat16"


def test_autocast_reaches_matrix_products() -> None:
    a = torch.ones(2, 2)
    with autocast(torch.float32, CPU):
        assert (a @ a).dtype == torch.float32
    with autocast(torch.bfloat16, CPU):
        assert (a @ a).dtype == torch.bfloat16


OF_TWO_THREADS = """
import torch
from boxseg.engine.precision import denormal_numbers_as_zero

torch.set_num_threads(2)
with denormal_numbers_as_zero():
    small = torch.full((1_000_000,), 1e-30)
    print((small * 1e-10).count_nonzero().item(), (small * 1e-5).count_nonzero().item())
"""


def test_denormal_numbers_are_zero_in_the_threads_that_a_block_starts() -> None:
    # In a process of its own: PyTorch's threads are started once, as the thread that starts them.
    found = subprocess.run(
        [sys.executable, "-c", OF_TWO_THREADS], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["0", "1000000"]


def test_denormal_numbers_are_zero_in_a_block_alone() -> None:
    def kept() -> int:
        return int((torch.full((9,), 1e-30) * 1e-10).count_nonzero())

    assert kept() == 9
    with pytest.raises(ZeroDivisionError), denormal_numbers_as_zero():
        with denormal_numbers_as_zero():
            assert kept() == 0
        assert kept() == 0
        raise ZeroDivisionError
    assert kept() == 9
