"""Parity with the pieces of the released BoxSeg's pseudo labeller and of its varifocal loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from boxseg.condinst.fcos_losses import varifocal_loss
from boxseg.quality_aware.released import majority_vote_masks, released_mask_quality
from tests.golden.files import Golden, each, each_piece, files, needs
from tests.golden.released_options import steadiest_thresholds

PIECES = files("case4_boxseg_pieces")

pytestmark = needs(PIECES)


@pytest.mark.parametrize("file", each(PIECES))
@pytest.mark.parametrize("threshold", ["static", "dynamic"])
def test_released_vote_and_score(file: Path, threshold: str) -> None:
    golden = Golden.load(file)
    counts = golden.tensor("pl2_in_nums_per_gt").long()
    classes = golden.tensor("pl2_in_gt_labels").long()
    soft = golden.tensor("pl2_in_soft_masks")
    valid = torch.arange(int(counts.max())) < counts[:, None]
    masks, scores = soft.new_zeros(*valid.shape, *soft.shape[1:]), soft.new_zeros(valid.shape)
    masks[valid], scores[valid] = soft, golden.tensor("pl2_in_scores")
    thresholds = torch.full((len(counts),), 0.5)
    if threshold == "dynamic":
        thresholds = steadiest_thresholds(masks, valid, classes)
    remembered = golden.tensor(f"pl2_{threshold}_label_hist")
    expected = torch.full_like(remembered, 0.5)
    some = counts > 0
    expected[classes[some]] = thresholds[some]
    torch.testing.assert_close(expected, remembered)
    vote = majority_vote_masks(masks, valid, thresholds) > 0.5
    np.testing.assert_array_equal(vote, golden.bits(f"pl2_{threshold}_masks_packed", soft.shape[2]))
    np.testing.assert_allclose(
        released_mask_quality(masks, vote, scores, valid, thresholds),
        golden.arrays[f"pl2_{threshold}_mask_scores"],
        rtol=1e-6,
    )
    mean_scores = scores.sum(dim=1) / counts.clamp(min=1)
    np.testing.assert_allclose(
        mean_scores, golden.arrays[f"pl2_{threshold}_pred_scores"], rtol=1e-6
    )


@pytest.mark.parametrize(("file", "alpha"), each_piece(PIECES, "vfl_grad_alpha", ""))
def test_varifocal_loss(file: Path, alpha: str) -> None:
    golden = Golden.load(file)
    logits = golden.tensor("vfl_logits").requires_grad_()
    targets = golden.tensor("vfl_targets")
    loss = varifocal_loss(logits, targets, float(alpha))
    (gradient,) = torch.autograd.grad(loss, logits)
    np.testing.assert_allclose(loss.item(), golden.arrays[f"vfl_sum_alpha{alpha}"], rtol=1e-6)
    np.testing.assert_allclose(gradient, golden.arrays[f"vfl_grad_alpha{alpha}"], atol=1e-6)


@pytest.mark.parametrize(
    ("file", "alpha"), each_piece(PIECES, "vfl_sum_alpha", "_not_iou_weighted")
)
def test_varifocal_loss_by_what_its_weights_take_from_positives(file: Path, alpha: str) -> None:
    # Unweighted positives count their whole entropy; ours counts the target's share of it.
    golden = Golden.load(file)
    logits, targets = golden.tensor("vfl_logits"), golden.tensor("vfl_targets")
    positive = targets > 0
    entropies = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    rest = ((1 - targets) * entropies)[positive].sum()
    whole = varifocal_loss(logits, targets, float(alpha)) + rest
    expected = golden.arrays[f"vfl_sum_alpha{alpha}_not_iou_weighted"]
    np.testing.assert_allclose(whole, expected, rtol=1e-6)
