"""Parity with the published CondInst and BoxInst on the golden files, whatever their variant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from boxseg.box_masks import box_profiles
from boxseg.box_supervision import (
    BoxSupervision,
    color_similarities,
    projection_loss,
    supervised_area,
)
from boxseg.condinst import CondInst
from boxseg.mask_losses import MaskLoss, dice_loss
from boxseg.mask_supervision import MaskSupervision, sampled_masks
from boxseg.pixel_pairs import PairWeights, pair_costs, pair_views
from tests.golden.comparison import COLOR_SIMILARITY, assert_gradients, assert_losses
from tests.golden.files import Golden, each, each_case, files, needs
from tests.golden.models import build

CONDINST = files("case1_condinst")
BOXINST = files("case2_boxinst")
CASES = each_case([*CONDINST, *BOXINST])
DILATION = 2

pytestmark = needs(CONDINST, BOXINST)


def mask_losses(golden: Golden, file: Path, overrides: dict[str, Any]) -> list[MaskLoss]:
    if file.stem.startswith("case1"):
        return [MaskSupervision()]
    boxinst = golden.section("BOXINST", overrides)
    return [
        BoxSupervision(
            color_threshold=boxinst["PAIRWISE"]["COLOR_THRESH"],
            warmup_iterations=boxinst["PAIRWISE"]["WARMUP_ITERS"],
            bottom_rows_removed=boxinst["BOTTOM_PIXELS_REMOVED"],
            dilation=boxinst["PAIRWISE"]["DILATION"],
        )
    ]


def model_and_inputs(file: Path, case: str) -> tuple[Golden, CondInst, list[dict[str, Any]], int]:
    golden = Golden.load(file)
    overrides, counter = golden.case(case)
    model = build(golden, overrides, mask_losses(golden, file, overrides))
    return golden, model, golden.inputs(file.stem.startswith("case1")), counter + 1


@pytest.mark.parametrize(("file", "case"), CASES)
def test_losses_and_gradients(file: Path, case: str) -> None:
    golden, model, inputs, iteration = model_and_inputs(file, case)
    model.train()
    losses = model(inputs, iteration).losses
    assert_losses(golden, case, losses)
    assert_gradients(golden, case, losses, model)


@pytest.mark.parametrize(("file", "case"), CASES)
def test_targets_and_positives(file: Path, case: str) -> None:
    golden, model, inputs, _ = model_and_inputs(file, case)
    model.train()
    with torch.no_grad():
        _, images = model.batched_images(inputs)
        outputs = model.features(images.tensor).outputs
        targets = model.detector.targets(outputs, [x["instances"] for x in inputs])
        _, positives = model.detector.losses(outputs, targets)
    positive = golden.arrays["fcos_labels"] != model.detector.assign.num_classes
    np.testing.assert_array_equal(targets.labels, golden.arrays["fcos_labels"])
    np.testing.assert_array_equal(targets.image_index, golden.arrays["fcos_im_inds"])
    np.testing.assert_array_equal(targets.level, golden.arrays["fcos_fpn_levels"])
    np.testing.assert_array_equal(targets.locations, golden.arrays["fcos_locations"])
    np.testing.assert_array_equal(
        targets.object_index[positive], golden.arrays["fcos_gt_inds"][positive]
    )
    np.testing.assert_allclose(
        targets.box_distances[positive], golden.arrays["fcos_reg_targets"][positive], rtol=1e-5
    )
    kept = positives[
        model.positive_sampler(positives.scores, positives.object_index, positives.image_index)
    ]
    ours = np.column_stack(
        (kept.image_index, kept.object_index, kept.level, kept.locations)
    ).tolist()
    theirs = np.column_stack(
        [
            golden.arrays[f"{case}_kept_{name}"]
            for name in ("im_inds", "gt_inds", "fpn_levels", "locations")
        ]
    ).tolist()
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("file", each([*CONDINST, *BOXINST]))
def test_detections(file: Path) -> None:
    golden, model, inputs, _ = model_and_inputs(file, next(iter(Golden.load(file).meta["cases"])))
    model.eval()
    for index, x in enumerate(inputs):
        found = model([x])[0]["instances"]
        expected = {
            key: golden.arrays[f"test{index}_{key}"]
            for key in ("boxes", "scores", "classes", "fpn_levels", "locations")
        }
        assert len(found) == len(expected["boxes"])
        np.testing.assert_array_equal(found.pred_classes, expected["classes"])
        np.testing.assert_array_equal(found.levels, expected["fpn_levels"])
        np.testing.assert_array_equal(found.locations, expected["locations"])
        np.testing.assert_allclose(found.pred_boxes.tensor, expected["boxes"], atol=0.01)
        np.testing.assert_allclose(found.scores, expected["scores"], atol=1e-4)
        masks = golden.bits(f"test{index}_masks_packed", x["width"])
        for ours, theirs in zip(found.pred_masks, masks, strict=True):
            assert (ours == theirs).float().mean() >= 0.999


@pytest.mark.parametrize("file", each(CONDINST))
def test_sampled_masks(file: Path) -> None:
    golden = Golden.load(file)
    case = golden.pieces("", "_mask_logits")[0]
    width = golden.arrays[f"{case}_mask_logits"].shape[-1]
    expected = golden.bits("gt_bitmasks_stride4_packed", width)
    size = expected.shape[1:]
    ours = torch.cat([sampled_masks(x["instances"], 4, *size) for x in golden.inputs(True)])
    np.testing.assert_array_equal(ours, expected)


def all_neighbours(pairs: list[Tensor], area: Tensor) -> Tensor:
    """Expand pair values to 8 maps per image, times the neighbour's validity: (B, 8, h, w)."""
    maps: dict[tuple[int, int], Tensor] = {}
    for direction, values in zip(((0, 1), (1, -1), (1, 0), (1, 1)), pairs, strict=True):
        forward, backward = torch.zeros(area.shape), torch.zeros(area.shape)
        first, second = pair_views(forward, direction, DILATION)
        area1, area2 = pair_views(area, direction, DILATION)
        first += values * area2
        _, second = pair_views(backward, direction, DILATION)
        second += values * area1
        maps[direction] = forward
        maps[-direction[0], -direction[1]] = backward
    order = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    return torch.stack([maps[d] for d in order], dim=1)


@pytest.mark.parametrize("file", each(BOXINST))
def test_box_supervision_terms(file: Path) -> None:
    golden = Golden.load(file)
    inputs = golden.inputs(False)
    logits = torch.from_numpy(golden.arrays["fixed_mask_logits"])[:, 0]
    height, width = logits.shape[-2:]
    padded = torch.zeros(len(inputs), 3, 4 * height, 4 * width)
    for slot, x in zip(padded, inputs, strict=True):
        slot[:, : x["image"].shape[1], : x["image"].shape[2]] = x["image"]
    pairs = color_similarities(padded.flip(1), 4, DILATION)
    sizes = [tuple(x["image"].shape[1:]) for x in inputs]
    heights = [x["height"] for x in inputs]
    for case in golden.meta["cases"]:
        if f"{case}_color_similarity0" not in golden.arrays:
            continue
        removed = golden.section("BOXINST", golden.case(case)[0])["BOTTOM_PIXELS_REMOVED"]
        area = supervised_area(sizes, heights, removed, 4, height, width, logits.device)
        ours = all_neighbours(pairs, area)
        for index in range(len(inputs)):
            np.testing.assert_allclose(
                ours[index],
                golden.arrays[f"{case}_color_similarity{index}"],
                atol=COLOR_SIMILARITY,
            )
    boxes = torch.cat([x["instances"].gt_boxes.tensor for x in inputs])
    rows, columns = box_profiles(boxes, 4, height, width)
    masks = rows[:, :, None] & columns[:, None]
    np.testing.assert_array_equal(masks, golden.bits("box_bitmasks_stride4_packed", width))
    np.testing.assert_allclose(
        projection_loss(logits, rows, columns), golden.arrays["fixed_prj_per_instance"], rtol=1e-4
    )
    np.testing.assert_allclose(
        dice_loss(logits.sigmoid(), masks.float()),
        golden.arrays["fixed_dice_vs_box_per_instance"],
        rtol=1e-4,
    )
    images = torch.arange(len(inputs)).repeat_interleave(
        torch.tensor([len(x["instances"]) for x in inputs])
    )
    area = supervised_area(sizes, heights, 0, 4, height, width, logits.device)
    weights = PairWeights.of([(p >= 0.3)[images] for p in pairs], area[images], masks, DILATION)
    np.testing.assert_allclose(
        weights.total, golden.arrays["fixed_pairwise_per_instance_den"], rtol=1e-6
    )
    np.testing.assert_allclose(
        pair_costs(logits, weights, torch.arange(len(logits))),
        golden.arrays["fixed_pairwise_per_instance_num"],
        rtol=1e-4,
    )
