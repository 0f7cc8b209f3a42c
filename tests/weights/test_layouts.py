"""Recognising a published code by its tensors' names, and sorting them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from boxseg.errors import InputError
from boxseg.weights.layouts import Differences, SortedTensors, recognised
from boxseg.weights.names import ADELAIDET, BOXTEACHER, LAYOUTS, SIM, Layout
from tests.weights.published import published_checkpoint, tiny_segmenter

FILE = Path("weights.pth")
EVERY = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)


@EVERY
def test_every_layout_is_recognised(layout: Layout) -> None:
    names = list(published_checkpoint(layout, tiny_segmenter()))
    assert recognised(names, FILE) is layout


@EVERY
def test_even_with_a_tensor_more_or_less(layout: Layout) -> None:
    names = list(published_checkpoint(layout, tiny_segmenter()))
    for extra in ("_iter", "teacher.foo", "controller_ema.bias", "mask_head.prototypes", "x"):
        if extra not in names:
            assert recognised([*names, extra], FILE) is layout
    for name in layout.idle:
        assert recognised([n for n in names if n != name], FILE) is layout


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"\(a\.weight, b\.weight, \.\.\.\) have the names of no"):
        recognised(["b.weight", "a.weight"], FILE)


def test_sorted_by_network() -> None:
    tensors = {
        "controller.bias": torch.tensor([1.0]),
        "controller_ema.bias": torch.tensor([2.0]),
        "_iter": torch.tensor([3.0]),
        "optimizer.lr": torch.tensor([4.0]),
    }
    content = SortedTensors.of(tensors, SIM)
    assert content.networks == {
        "student": {"controller.bias": tensors["controller.bias"]},
        "ema": {"controller.bias": tensors["controller_ema.bias"]},
    }
    assert (list(content.idle), content.strange) == (["_iter"], ["optimizer.lr"])


def test_two_names_for_one_tensor() -> None:
    name = "backbone.bottom_up.res3.0.conv2"
    both = {f"{name}_offset.bias": torch.zeros(1), f"{name}.offset.bias": torch.ones(1)}
    content = SortedTensors.of(both, ADELAIDET)
    assert content.networks["model"] == {f"{name}.offset.bias": both[f"{name}_offset.bias"]}
    assert content.strange == [f"{name}.offset.bias"]


def test_every_difference_is_named() -> None:
    wanted = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2, dtype=torch.int64)}
    found = {"b": torch.zeros(3), "c": torch.zeros(2), "d": torch.zeros(1)}
    differences = Differences(missing=["_iter"])
    differences.compare(found, wanted, {name: f"teacher.{name}" for name in "abcd"})
    assert str(differences.error(FILE, BOXTEACHER.title)) == (
        "the tensors in weights.pth are not those of BoxTeacher: 2 missing: _iter, teacher.a; "
        "1 left over: teacher.d; 2 of another shape: teacher.b (3 float32 instead of 2 float32), "
        "teacher.c (2 float32 instead of 2 int64); use the published file, or leave out with "
        "--ignore NAME what no prediction needs."
    )
    assert differences
    assert not Differences()


def test_long_lists_are_cut() -> None:
    differences = Differences(missing=[f"t{number:02}" for number in range(20)])
    assert "20 missing: t00, t01, " in str(differences.error(FILE, "x"))
    assert "t11 and 8 others;" in str(differences.error(FILE, "x"))
