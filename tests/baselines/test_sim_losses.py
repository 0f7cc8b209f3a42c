"""SIM's losses by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from baselines.sim import PastedMaskLoss, PseudoMaskFocal, SemanticBoxSupervision
from baselines.sim.losses import feature_similarities, focal_pixels
from boxseg.box_supervision import BoxSupervision
from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.mask_losses import MaskPredictions
from tests import taught_masks
from tests.taught_masks import labelled


def predictions(
    logits: Tensor, sample: TrainingSample, index: list[int], iteration: int = 20_000
) -> MaskPredictions:
    return taught_masks.predictions(logits, index, [sample], 4, iteration)


def objects_of(masks: list[list[int]], unsure: list[list[int]] | None = None) -> TrainingSample:
    """Objects in an image one mask row high, whose boxes fill it."""
    bits = torch.tensor(masks)[:, None]
    boxes = torch.tensor([[0.0, 0.0, 4.0 * bits.shape[2], 4.0]] * len(bits))
    return labelled(
        boxes, bits, 4, unsure=None if unsure is None else torch.tensor(unsure)[:, None]
    )


def test_focal_pixels_by_hand() -> None:
    # p = 0.75. Foreground: 0.25 x 0.25^2 x -ln 0.75; background: 0.75 x 0.75^2 x -ln 0.25.
    logits = torch.tensor([0.75, 0.75]).logit()
    found = focal_pixels(logits, torch.tensor([1.0, 0.0]))
    assert found.tolist() == pytest.approx([0.25 * 0.0625 * 0.28768, 0.75 * 0.5625 * 1.38629], 1e-4)
    assert focal_pixels(torch.tensor([300.0, -300.0]), torch.tensor([0.0, 1.0])).isfinite().all()


def test_unsure_pixels_teach_nothing() -> None:
    # All logits 0: 0.25 x 0.25 x ln 2 on foreground, 0.75 x 0.25 x ln 2 on background. Of four
    # pixels one is foreground, two are background, one is unsure: three weights, and 1 more.
    logits = torch.zeros(1, 1, 4, requires_grad=True)
    objects = objects_of([[1, 0, 0, 0]], unsure=[[0, 1, 0, 0]])
    loss = PseudoMaskFocal(1.0, 0, 0)(predictions(logits, objects, [0])).losses["loss_pseudo"]
    ln2 = 0.693147
    assert loss.item() == pytest.approx((0.0625 + 2 * 0.1875) * ln2 / 4, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0] != 0).tolist() == [True, False, True, True]


def test_quality_weighs_and_invalid_objects_do_not_count() -> None:
    objects = replace(
        objects_of([[1, 1], [1, 1], [1, 1]]),
        quality=torch.tensor([0.5, 1.0, 1.0]),
        valid=torch.tensor([True, True, False]),
    )
    logits = torch.zeros(3, 1, 2)
    loss = PseudoMaskFocal(1.0, 0, 0)(predictions(logits, objects, [0, 1, 2]))
    # Two pixels of weight 0.5 and two of weight 1: 3 x 0.0625 ln 2 / (3 + 1).
    assert loss.losses["loss_pseudo"].item() == pytest.approx(3 * 0.0625 * 0.693147 / 4, rel=1e-5)


def test_start_and_ramp() -> None:
    objects = objects_of([[1, 0]])
    term = PseudoMaskFocal(0.3, ramp_iterations=100, start_iterations=10)
    logits = torch.zeros(1, 1, 2)
    assert term(predictions(logits, objects, [0], 10)).losses == {}
    early, late = (
        term(predictions(logits, objects, [0], i)).losses["loss_pseudo"].item() for i in (20, 1000)
    )
    assert early == pytest.approx(0.2 * late)
    assert PastedMaskLoss(1.0, 10)(predictions(logits, objects, [0], 10)).losses == {}


def test_only_pasted_objects_are_taught_their_masks() -> None:
    objects = objects_of([[1, 0], [1, 0]])
    logits = torch.zeros(3, 1, 2, requires_grad=True)
    term = PastedMaskLoss(1.0, 0)
    nothing = term(predictions(logits, objects, [0, 1, 1])).losses["loss_paste"]
    assert nothing.item() == 0  # and no constant for objects that were not pasted
    objects = replace(objects, pasted=torch.tensor([False, True]))
    loss = term(predictions(logits, objects, [0, 1, 1])).losses["loss_paste"]
    # Two positives: focal (0.0625 + 0.1875) ln 2 each over 4 pixels + 1; Dice with p = 0.5
    # everywhere: 1 - 2 x 0.5 / (0.5 + 1) = 1/3.
    assert loss.item() == pytest.approx(2 * 0.25 * 0.693147 / 5 + 1 / 3, rel=1e-4)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.flatten(1).any(dim=1).tolist() == [False, True, True]


def test_pseudo_masks_are_needed() -> None:
    untaught = replace(predictions(torch.zeros(1, 1, 2), objects_of([[1, 0]]), [0]), pseudo=None)
    with pytest.raises(InputError, match="needs a teacher"):
        PseudoMaskFocal(0.3, 1, 0)(untaught)


def test_feature_similarity_counts_in_cells_of_the_features() -> None:
    # A ramp of slope 1 per cell. At the masks' resolution pixels two apart differ by 2, over two
    # cells; at half the resolution (interpolated) they differ by 1, over one cell: e^-1 both times.
    fine = torch.arange(8.0).expand(1, 1, 8, 8)
    coarse = torch.arange(4.0).expand(1, 1, 4, 4)
    for features in (fine, coarse):
        right = feature_similarities(features, (8, 8), 2)[0]
        torch.testing.assert_close(right[0, 3, 2:4], torch.full((2,), 0.367879))


def test_pairs_have_to_be_alike_in_both() -> None:
    # One colour everywhere, so BoxInst relates all pairs; features that differ cut some of them.
    objects = objects_of([[1] * 8])
    given = predictions(torch.zeros(1, 1, 8), objects, [0])
    features = torch.zeros(1, 1, 1, 8)
    features[..., 4:] = 50.0
    both = replace(given, teacher_features=features)
    words = {"bottom_rows_removed": 0}
    boxes, images = torch.ones(1, 1, 8, dtype=torch.bool), torch.tensor([0])
    plain = BoxSupervision(0.1, **words).object_weights(given, boxes, images)
    cut = SemanticBoxSupervision(0.1, **words).object_weights(both, boxes, images)
    # Horizontal pairs (c, c + 2), c = 0..5, each counted for both pixels; c = 2, 3 are cut.
    assert plain.first.tolist() == [0, 1, 2, 3, 4, 5]
    assert cut.first.tolist() == [0, 1, 4, 5]
    for weights in (plain, cut):
        assert (weights.second - weights.first == 2).all()
        assert (weights.values == 2).all()
    with pytest.raises(InputError, match="no teacher"):
        SemanticBoxSupervision(0.1).object_weights(given, boxes, images)
