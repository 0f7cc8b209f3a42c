"""Binding configurations to constructors, and telling wrong values by the constructors' types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from boxseg.condinst.fcos_head import FCOSHead
from boxseg.condinst.mask_branch import MaskBranch
from boxseg.mask_losses import MaskLoss
from boxseg.quality_aware import MaskFusion
from experiments.configuration.binding import METHOD, bind_all, fits


class Named(Protocol):
    name: str


HEAD = {
    "_target_": "boxseg.condinst.fcos_head.FCOSHead",
    "channels": 64,
    "num_classes": 8,
    "num_levels": 3,
}
BRANCH = {"_target_": "boxseg.condinst.mask_branch.MaskBranch", "in_features": ["p3"]}
FUNCTION = {"_target_": METHOD, "path": "boxseg.condinst.centers.box_centers"}


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, int, True),
        (1, float, True),
        (1.5, int, False),
        (True, int, False),
        (True, bool, True),
        (1, bool, False),
        ("1", int, False),
        ("a", str, True),
        ("a", Path, True),
        (None, int, False),
        (None, int | None, True),
        (None, Named, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        ([1, 2], Sequence[int], True),
        ([1, "2"], Sequence[int], False),
        (1, Sequence[int], False),
        ("12", Sequence[str], False),
        ([1, 2.5], tuple[int, float], True),
        ([1], tuple[int, float], False),
        ([1, 2, 3], tuple[int, ...], True),
        ({"a": 1}, Mapping[str, int], True),
        ({"a": "b"}, Mapping[str, int], False),
        (5, MaskBranch, False),
        (HEAD, FCOSHead, True),
        (BRANCH, FCOSHead, False),
        (BRANCH, FCOSHead | None, False),
        (BRANCH, int, False),
        (BRANCH, MaskFusion, True),  # a protocol: not cheap to tell
        (BRANCH, MaskLoss, False),
        (FUNCTION, Callable[[Any], Any], True),
        ({"box": HEAD}, Mapping[str, FCOSHead], True),
        ({"box": BRANCH}, Mapping[str, FCOSHead], False),
        ([HEAD], Any, True),
    ],
)
def test_values_and_annotations(value: Any, annotation: Any, expected: bool) -> None:
    assert fits(value, annotation) is expected


def faults(node: Any) -> list[str]:
    return [sentence for _, _, sentence in bind_all(node)]


def test_components_that_bind() -> None:
    assert faults({"head": HEAD, "list": [HEAD], "plain": {"seed": 1}, "centers": FUNCTION}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"chanels": 1},
            "unknown argument 'chanels' of boxseg.condinst.fcos_head.FCOSHead at head",
        ),
        ({"num_levels": None}, "head.num_levels is None where"),
        ({"cls_convs": "four"}, "head.cls_convs is 'four' where"),
        ({"with_centerness": 1}, "head.with_centerness is 1 where"),
        ({"prior_probability": HEAD}, "head.prior_probability is boxseg.condinst.fcos_head"),
        ({"_partial": True}, "unknown key '_partial' at head"),
        ({"_target_": "boxseg.condinst.fcos_head.FCOS"}, "which is not there"),
        ({"_target_": "boxseg.nowhere.FCOSHead"}, "which is not there"),
        ({"_target_": "os.system"}, "no part of this suite"),
        ({"_target_": "boxseg.condinst.fcos_head.math.pi"}, "nothing to be called"),
    ],
)
def test_what_does_not_bind_is_named(change: dict[str, Any], said: str) -> None:
    (fault,) = faults({"head": HEAD | change})
    assert said in fault


def test_missing_arguments_are_named() -> None:
    without = {key: value for key, value in HEAD.items() if key != "channels"}
    assert faults(without | {"num_classes": 1}) == [
        "argument 'channels' of boxseg.condinst.fcos_head.FCOSHead is missing at "
    ]
    assert "argument 'in_channels'" in faults({"branch": BRANCH})[0]


def test_what_the_caller_gives_need_not_be_there() -> None:
    partial = {"_target_": "boxseg.engine.solver.sgd", "_partial_": True, "learning_rate": 0.1}
    assert faults({"optimizer": partial}) == []
    assert "argument 'model'" in faults({"optimizer": partial | {"_partial_": False}})[0]
    mapper = {"_target_": "boxseg.data.mapper.TrainingMapper", "short_sides": [1], "max_side": 2}
    mapper |= {"flip": True, "with_masks": False}
    assert faults({"mapper": mapper}) == []
    assert "argument 'reader'" in faults({"other": mapper})[0]


def test_functions_are_named_by_path() -> None:
    assert "which is not there" in faults({"f": FUNCTION | {"path": "boxseg.ema.nothing"}})[0]
    assert "no part of this suite" in faults({"f": FUNCTION | {"path": "os.remove"}})[0]
    assert "'path'" in faults({"f": {"_target_": METHOD}})[0]
    assert "unknown key 'pat'" in faults({"f": FUNCTION | {"pat": "x"}})[0]


def test_losses_of_nearly_one_name() -> None:
    loss = {"_target_": "boxseg.mask_supervision.MaskSupervision"}
    assert faults({"losses": {"box": loss, "pseudo_dice": loss, "pseudo_affinity": loss}}) == []
    (fault,) = faults({"losses": {"box": loss, "boxx": loss}})
    assert "'box' and 'boxx' at losses may be one name" in fault
