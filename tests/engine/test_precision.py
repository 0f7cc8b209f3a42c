"""Which arithmetic a run uses."""

from __future__ import annotations

import pytest
import torch

from boxseg.engine.precision import (
    autocast,
    chosen_precision,
    convolution_arithmetic,
    cpu_has_fast_bfloat16,
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
