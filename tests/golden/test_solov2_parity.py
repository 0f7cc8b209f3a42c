"""Parity with the released CNN heads of Box2Mask and DiscoBox, and with their parts.

What DiscoBox learns from pseudo masks is compared in a module of its own.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.level_set import BoxProjection, LevelSetLoss
from baselines.rounded_boxes import box_masks, rounded_box_masks
from baselines.solov2 import BestCells, CellTargets, LastObjectsCells, SOLOv2
from baselines.solov2.head import Features
from baselines.solov2.matrix_nms import Decay, gaussian_decay, linear_decay, matrix_nms
from boxseg.box_masks import tight_boxes
from boxseg.mask_rescoring import mean_foreground_probability
from tests.golden.files import Golden, each, files, needs
from tests.golden.solov2 import (
    FEATURE_STRIDE,
    GivenPyramid,
    apply_recipe,
    batch_of,
    box2mask_c,
    discobox,
    objects_of,
    recipe_value,
    released_names,
)

BOX2MASK = files("case6_box2mask_c_model")
PIECES = files("case6_box2mask_pieces")
DISCOBOX = files("case7_discobox_model")
MODELS = [
    pytest.param(file, make, id=file.stem)
    for found, make in ((BOX2MASK, box2mask_c), (DISCOBOX, discobox))
    for file in found
]

with_models = needs(BOX2MASK, DISCOBOX)
with_pieces = needs(PIECES)


def features_of(golden: Golden, model: SOLOv2) -> Features:
    _, images = model.batched_images([x["image"] for x in batch_of(golden)])
    assert images.tensor.shape[2:] == tuple(golden.meta["config"]["padded"])
    return model.features(images.tensor)


def by_level(golden: Golden, values: Tensor, dim: int) -> list[Tensor]:
    return list(values.split([n * n for n in golden.meta["config"]["num_grids"]], dim))


def box_masks_of(golden: Golden, stride: int) -> Tensor:
    """The released masks of all objects' boxes at a stride."""
    height, width = golden.meta["config"]["padded"]
    objects = objects_of(golden)
    boxes = torch.cat([o.gt_boxes.tensor for o in objects])
    sizes = torch.tensor([o.image_size for o in objects for _ in range(len(o))])
    return rounded_box_masks(boxes, sizes, stride, (height // stride, width // stride))


def assert_targets(golden: Golden, prefix: str, targets: CellTargets, strides: list[int]) -> None:
    """Labels, cells and masks of all images and levels under this prefix, in the file's order."""
    grids = golden.meta["config"]["num_grids"]
    starts = list(accumulate((n * n for n in grids), initial=0))
    for image in range(len(targets.labels)):
        for level, (cells, stride) in enumerate(zip(grids, strides, strict=True)):
            name = f"{prefix}{image}"
            labels = targets.labels[image, starts[level] : starts[level + 1]].view(cells, cells)
            assert torch.equal(labels, golden.tensor(f"{name}_cate{level}").long())
            here = (targets.image_index == image) & (targets.level == level)
            found = targets[here.nonzero()[:, 0]]
            places = golden.arrays[f"{name}_cells{level}"].tolist()
            assert (found.cells - starts[level]).tolist() == places
            masks = box_masks_of(golden, stride)[found.object_index]
            expected = golden.bits(f"{name}_masks{level}_packed", masks.shape[2])
            assert torch.equal(masks, expected)


@with_models
@pytest.mark.parametrize(("file", "make"), MODELS)
def test_targets(file: Path, make: type) -> None:
    golden = Golden.load(file)
    model = make(golden)
    targets = model.targets(features_of(golden, model), objects_of(golden))
    if isinstance(model.assign, LastObjectsCells):  # the file's order is the grids', not objects'
        targets = targets[targets.cells.argsort(stable=True)]
    assert_targets(golden, "target", targets, list(model.mask_strides))


@with_models
@pytest.mark.parametrize("file", each(DISCOBOX))
def test_one_cell_an_object(file: Path) -> None:
    golden = Golden.load(file)
    config = golden.meta["config"]
    best = BestCells(config["num_grids"], config["scale_ranges"], config["classes"])
    model, objects = discobox(golden), objects_of(golden)
    targets = best(objects, [model.object_centers(o) for o in objects], tuple(config["padded"]))
    assert len(targets) == sum(len(o) for o in objects)
    assert_targets(golden, "best", targets, [FEATURE_STRIDE] * len(config["num_grids"]))


@with_models
@pytest.mark.parametrize(("file", "make"), MODELS)
@torch.no_grad()
def test_predictions(file: Path, make: type) -> None:
    golden = Golden.load(file)
    model = make(golden)
    features = features_of(golden, model)
    for level, logits in enumerate(by_level(golden, features.outputs.logits, 2)):
        expected = golden.tensor(f"pred_cate{level}")
        torch.testing.assert_close(logits.view_as(expected), expected, rtol=1e-5, atol=1e-4)
    if "pred_kernel0_mean" in golden.arrays:
        for level, kernels in enumerate(by_level(golden, features.outputs.kernels, 2)):
            means = golden.tensor(f"pred_kernel{level}_mean")
            torch.testing.assert_close(kernels.mean(dim=2), means, rtol=1e-4, atol=1e-5)
    if "mask_features_mean" in golden.arrays:
        maps = features.mask_features
        torch.testing.assert_close(maps.mean(dim=(2, 3)), golden.tensor("mask_features_mean"))
        some = golden.tensor("mask_features_0")
        torch.testing.assert_close(maps[0, : len(some)], some, rtol=1e-4, atol=1e-4)


@with_models
@pytest.mark.parametrize("file", each(BOX2MASK))
@torch.no_grad()
def test_masks_of_every_cell(file: Path) -> None:
    golden = Golden.load(file)
    model = box2mask_c(golden)
    features = features_of(golden, model)
    cells = torch.arange(features.outputs.kernels.shape[2]).expand(len(features.mask_features), -1)
    for level, some in enumerate(by_level(golden, cells, 1)):
        grid = model.grid(features, model.mask_strides[level])
        masks = grid.block(features.outputs.kernels, some)
        means = golden.tensor(f"pred_masks{level}_mean")
        torch.testing.assert_close(masks.mean(dim=(2, 3)), means, rtol=1e-4, atol=1e-4)
        if f"pred_masks{level}" in golden.arrays:
            expected = golden.tensor(f"pred_masks{level}")
            torch.testing.assert_close(masks, expected, rtol=1e-4, atol=1e-4)


@with_models
@pytest.mark.parametrize("file", each(BOX2MASK))
@torch.no_grad()
def test_features_for_the_level_set(file: Path) -> None:
    golden = Golden.load(file)
    maps = features_of(golden, box2mask_c(golden)).mask_features
    expected = golden.tensor("levelset_features")
    shape = (expected.shape[1], maps.shape[1], 3, 3)
    weight = recipe_value("levelset_bottom.weight", shape, 1.0)
    bias = recipe_value("levelset_bottom.bias", shape[:1], 1.0)
    bottom = F.conv2d(maps, weight, bias, padding=1)
    torch.testing.assert_close(bottom, expected, rtol=1e-4, atol=1e-4)


def projections(golden: Golden, model: SOLOv2, features: Features, epsilon: float) -> Tensor:
    """Mean over the positives of what their projections differ by from their boxes'."""
    targets = model.targets(features, objects_of(golden))
    logits = model.masks_of(features, targets)
    boxes = box_masks_of(golden, model.mask_stride)[targets.object_index]
    total = torch.zeros(())
    for dim in (1, 2):
        x, t = logits.amax(dim=dim).sigmoid(), boxes.any(dim=dim).float()
        squares = (x * x).sum(dim=1) + epsilon + (t * t).sum(dim=1) + epsilon
        total = total + (1 - 2 * (x * t).sum(dim=1) / squares).sum()
    return total / len(targets)


def gradient_norms(model: SOLOv2) -> dict[str, float]:
    names = released_names(model)
    return {
        names[name]: parameter.grad.norm().item()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def level_sets(golden: Golden, channels: int) -> nn.ModuleDict:
    """Box2Mask-C's losses as the file has them: without local consistency."""
    guide_channels = golden.tensor("levelset_features").shape[1]
    config = golden.meta["config"]
    level_set = LevelSetLoss(
        channels,
        guide_channels,
        consistency_weight=0.0,
        pixel_mean=config["mean"],
        pixel_std=config["std"],
        channel_order=config["channel_order"],
        box_masks=box_masks,
    )
    return nn.ModuleDict({"projection": BoxProjection(3.0, box_masks), "level_set": level_set})


@with_models
@pytest.mark.parametrize("file", each(BOX2MASK))
def test_losses_of_box2mask(file: Path) -> None:
    golden = Golden.load(file)
    model = box2mask_c(golden).train()
    model.mask_losses = level_sets(golden, golden.meta["config"]["channels"])
    apply_recipe(model, golden.meta["config"]["kernel_scale"])
    losses = model.losses(batch_of(golden), 1).losses
    released = {
        "loss_cls": "loss_cate",
        "loss_prj": "loss_boxpro",
        "loss_levelset": "loss_levelset",
    }
    expected = {ours: float(golden.arrays[theirs]) for ours, theirs in released.items()}
    ours = {name: loss.item() for name, loss in losses.items()}
    assert ours == pytest.approx(expected, rel=1e-4)
    torch.stack(list(losses.values())).sum().backward()
    norms = golden.meta["gradient_norms"]
    # The guide's are a thousandth of the others'; that of its bias is nothing but rounding.
    least = {name: 1e-4 * max(norms.values()) for name in norms}
    least["levelset_bottom.weight"] = 1e-4 * norms["levelset_bottom.weight"]
    found = gradient_norms(model)
    assert found.keys() == norms.keys()
    for name, norm in norms.items():
        assert found[name] == pytest.approx(norm, rel=1e-3, abs=least[name]), name


@with_models
@pytest.mark.parametrize("file", each(DISCOBOX))
def test_losses_of_discobox_before_it_teaches_itself(file: Path) -> None:
    golden = Golden.load(file)
    model = discobox(golden)
    features = features_of(golden, model)
    projection = projections(golden, model, features, 1e-3)
    assert projection.item() == pytest.approx(float(golden.arrays["warm_loss_ins"]), rel=1e-4)
    loss = model.class_loss(features, model.targets(features, objects_of(golden)))
    assert loss.item() == pytest.approx(float(golden.arrays["warm_loss_cate"]), rel=1e-4)
    (loss + projection).backward()
    expected = golden.meta["gradient_norms"]["warm"]
    least = 1e-4 * max(expected.values())
    assert gradient_norms(model) == pytest.approx(expected, rel=1e-3, abs=least)


@with_models
@pytest.mark.parametrize(("file", "make"), MODELS)
def test_detections(file: Path, make: type) -> None:
    golden = Golden.load(file)
    model = make(golden).eval()
    assert isinstance(model.backbone, GivenPyramid)
    for index, x in enumerate(batch_of(golden)):
        model.backbone.images = slice(index, index + 1)
        (found,) = model([x])
        detections = found["instances"]
        prefix = f"out{index}"
        np.testing.assert_allclose(detections.scores, golden.arrays[f"{prefix}_scores"], rtol=1e-4)
        assert detections.pred_classes.tolist() == golden.arrays[f"{prefix}_labels"].tolist()
        masks = detections.pred_masks.dense()
        expected = golden.bits(f"{prefix}_masks_packed", x["width"])
        assert (masks != expected).float().mean() <= 1e-3
        assert torch.equal(detections.pred_boxes.tensor, tight_boxes(masks))


@with_pieces
@pytest.mark.parametrize("file", each(PIECES))
def test_box_masks(file: Path) -> None:
    golden = Golden.load(file)
    size = golden.meta["config"]["height"], golden.meta["config"]["width"]
    masks = rounded_box_masks(golden.tensor("boxmask_boxes"), torch.tensor([size]), 1, size)
    assert torch.equal(masks, golden.bits("boxmask_packed", size[1]))


@with_pieces
@pytest.mark.parametrize(
    ("name", "decay"), [("gaussian", gaussian_decay(2.0)), ("linear", linear_decay)]
)
@pytest.mark.parametrize("file", each(PIECES))
def test_matrix_nms(file: Path, name: str, decay: Decay) -> None:
    golden = Golden.load(file)
    masks = golden.bits("nms_masks_packed", golden.meta["config"]["width"])
    scores, order = golden.tensor("nms_scores").sort(descending=True, stable=True)
    classes = golden.tensor("nms_labels").long()[order]
    left = matrix_nms(masks[order][None], scores[None], classes[None], decay)[0]
    expected = golden.tensor(f"nms_{name}_scores")
    kept, best = left[left >= 0.025].sort(descending=True, stable=True)
    torch.testing.assert_close(kept[: len(expected)], expected)
    indices = order[left >= 0.025][best][: len(expected)]
    assert indices.tolist() == golden.arrays[f"nms_{name}_keep"].tolist()


@with_pieces
@pytest.mark.parametrize("file", each(PIECES))
def test_scores_and_boxes_of_masks(file: Path) -> None:
    golden = Golden.load(file)
    logits = golden.tensor("infer_mask_logits")
    expected = golden.tensor("infer_boxes_scores")
    scores = golden.tensor("infer_cls_logits").softmax(dim=1)[:, :-1]
    best, places = scores.flatten().topk(len(expected))
    queries, classes = places // scores.shape[1], places % scores.shape[1]
    final, order = (best * mean_foreground_probability(logits.sigmoid())[queries]).sort(
        descending=True, stable=True
    )
    queries, classes = queries[order], classes[order]
    assert classes.tolist() == golden.arrays["infer_labels"].tolist()
    torch.testing.assert_close(final, expected[:, 4], rtol=1e-4, atol=1e-6)
    masks = logits[queries] > 0
    assert torch.equal(masks, golden.bits("infer_masks_packed", logits.shape[2]))
    assert torch.equal(tight_boxes(masks), expected[:, :4])
