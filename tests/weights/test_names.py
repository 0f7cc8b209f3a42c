"""The table of names: both directions, and every published code's layout."""

from __future__ import annotations

import pytest

from boxseg.weights.names import (
    ADELAIDET,
    BOXSEG,
    BOXTEACHER,
    DETECTRON_BACKBONE,
    LAYOUTS,
    SIM,
    Layout,
    published_name,
    translated,
)
from tests.weights.published import tiny_segmenter


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("backbone.bottom_up.stem.conv1.weight", "backbone.bottom_up.stem.conv1.weight"),
        ("backbone.fpn_lateral3.bias", "backbone.fpn_lateral3.bias"),
        ("proposal_generator.fcos_head.scales.4.scale", "detector.head.scales.4.scale"),
        ("proposal_generator.fcos_head.cls_tower.0.weight", "detector.head.cls_tower.0.weight"),
        ("mask_branch.refine.0.1.running_var", "mask_branch.refine.0.1.running_var"),
        ("mask_branch.seg_head.0.0.weight", "semantic_head.seg_head.0.0.weight"),
        ("mask_branch.logits.bias", "semantic_head.logits.bias"),
        ("controller.weight", "controller.weight"),
        (
            "backbone.bottom_up.res4.12.conv2_offset.weight",
            "backbone.bottom_up.res4.12.conv2.offset.weight",
        ),
    ],
)
def test_adelaidet_s_names(published: str, ours: str) -> None:
    assert ADELAIDET.place(published) == ("model", ours)
    assert published_name(ours) == published


@pytest.mark.parametrize(
    ("layout", "published", "place"),
    [
        (BOXTEACHER, "teacher.controller.bias", ("teacher", "controller.bias")),
        (BOXSEG, "student.controller.bias", ("student", "controller.bias")),
        (SIM, "controller.bias", ("student", "controller.bias")),
        (SIM, "controller_ema.bias", ("ema", "controller.bias")),
        (
            SIM,
            "proposal_generator_ema.fcos_head.ctrness.weight",
            ("ema", "detector.head.ctrness.weight"),
        ),
        (ADELAIDET, "controller_ema.bias", None),
        (ADELAIDET, "teacher.controller.bias", None),
        (BOXTEACHER, "controller.bias", None),
        (BOXTEACHER, "teacher.mask_head._iter", None),
    ],
)
def test_networks(layout: Layout, published: str, place: tuple[str, str] | None) -> None:
    assert layout.place(published) == place


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_every_tensor_has_a_name_of_its_own(layout: Layout) -> None:
    ours = list(tiny_segmenter().state_dict())
    for network in layout.networks:
        names = [layout.published(network, name) for name in ours]
        assert [layout.place(name) for name in names] == [(network, name) for name in ours]
        assert not set(names) & set(layout.idle)


def test_a_name_that_no_published_segmenter_has() -> None:
    with pytest.raises(KeyError, match=r"detector\.tail\.weight"):
        published_name("detector.tail.weight")


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("conv1_w", "stem.conv1.weight"),
        ("res_conv1_bn_s", "stem.conv1.norm.weight"),
        ("res_conv1_bn_b", "stem.conv1.norm.bias"),
        ("res2_0_branch1_w", "res2.0.shortcut.weight"),
        ("res4_22_branch2b_bn_b", "res4.22.conv2.norm.bias"),
        ("res5_2_branch2c_w", "res5.2.conv3.weight"),
        ("res5_2_branch2c_b", None),
        ("fc1000_w", None),
    ],
)
def test_detectron_s_names(published: str, ours: str | None) -> None:
    assert translated(published, DETECTRON_BACKBONE) == ours
