"""The controller at single cells against the whole convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.condinst.controller import Controller

SIZES = ((5, 7), (3, 4), (1, 2), (1, 1))
BATCH = 3
CELLS = sum(BATCH * height * width for height, width in SIZES)


def controller() -> Controller:
    module = Controller(6, 10)
    with torch.no_grad():
        module.weight.normal_()
        module.bias.normal_()  # type: ignore[union-attr]
    return module


def levels() -> list[Tensor]:
    return [torch.randn(BATCH, 6, height, width, requires_grad=True) for height, width in SIZES]


def dense(module: Controller, features: list[Tensor], cells: Tensor) -> Tensor:
    """The same through the convolution of whole maps."""
    whole = [module(f).permute(0, 2, 3, 1).reshape(-1, 10) for f in features]
    return torch.cat(whole)[cells]


def test_every_cell() -> None:
    """All cells of all levels and images: inside, at borders, in maps of a single cell."""
    module, features = controller(), levels()
    cells = torch.arange(CELLS)
    torch.testing.assert_close(
        module.at(features, cells), dense(module, features, cells), rtol=1e-5, atol=1e-5
    )


def test_gradients() -> None:
    module, features = controller(), levels()
    cells = torch.randint(0, CELLS, (40,))  # some of them twice
    weights = torch.randn(40, 10)
    assert module.bias is not None
    leaves = [*features, module.weight, module.bias]
    ours = torch.autograd.grad((module.at(features, cells) * weights).sum(), leaves)
    theirs = torch.autograd.grad((dense(module, features, cells) * weights).sum(), leaves)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


def test_channels_last_features() -> None:
    module, features = controller(), levels()
    cells = torch.randint(0, CELLS, (20,))
    strided = [f.detach().contiguous(memory_format=torch.channels_last) for f in features]
    torch.testing.assert_close(
        module.at(strided, cells), dense(module, features, cells), rtol=1e-5, atol=1e-5
    )


def test_low_precision_features_give_float32_parameters() -> None:
    module, features = controller(), levels()
    rounded = [f.detach().bfloat16() for f in features]
    cells = torch.arange(CELLS)
    found = module.at(rounded, cells)
    assert found.dtype == torch.float32
    expected = dense(module, [f.float() for f in rounded], cells)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_no_cells() -> None:
    module, features = controller(), levels()
    found = module.at(features, torch.zeros(0, dtype=torch.int64))
    assert found.shape == (0, 10)
    found.sum().backward()
    assert module.weight.grad is not None
    assert not module.weight.grad.any()
