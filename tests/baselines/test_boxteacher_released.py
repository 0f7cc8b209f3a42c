"""The released BoxTeacher's further losses."""

from __future__ import annotations

import pytest
import torch

from boxseg.mask_losses import MaskPredictions
from boxseg.pseudo_mask_losses import PseudoMaskDice
from tests import taught_masks
from tests.golden.released_options import DividedByQuality, PseudoMaskProfiles
from tests.taught_masks import labelled


def predictions(quality: list[float], iteration: int = 10) -> MaskPredictions:
    """Two 4 x 2 objects of one image and one positive of each, masks at stride 1.

    Both pseudo masks are the lower row of the box; the first positive predicts 1 on the lower row,
    the second 1 on the right column.
    """
    logits = torch.full((2, 2, 4), -100.0)
    logits[0, 1] = logits[1, :, 3] = 100.0
    sample = labelled(
        torch.tensor([[0.0, 0, 3.5, 1.5]] * 2),
        torch.tensor([[[False] * 4, [True] * 4]] * 2),
        stride=1,
        quality=torch.tensor(quality),
        valid=torch.tensor(quality) > 0,
    )
    return taught_masks.predictions(logits, [0, 1], [sample], 1, iteration)


def test_profiles_by_hand() -> None:
    # Means of the pseudo mask: (0.5, 0.5, 0.5, 0.5) over columns, (0, 1) over rows. The first
    # positive has the same: 0 + 0. The second has (0, 0, 0, 1) and (0.25, 0.25):
    # 1 - 2 x 0.5 / (1 + 1) = 0.5 and 1 - 2 x 0.25 / (0.125 + 1) = 5/9.
    # Weighted: 0.4 x (0.5 + 5/9) / 2, times 0.1, half-way through the warm-up.
    losses = PseudoMaskProfiles(0.1, 20)(predictions([0.8, 0.4])).losses
    assert losses["loss_avg"].item() == pytest.approx(0.1 * 0.5 * 0.4 * (19 / 18) / 2, rel=1e-4)


def test_divided_by_quality() -> None:
    # Dice: 0 and 1 - 2 x 1 / (2 + 4) = 2/3; (0.8 x 0 + 0.4 x 2/3) / 1.2 instead of / 2.
    term = PseudoMaskDice(1.0, 10)
    plain = term(predictions([0.8, 0.4]))
    divided = DividedByQuality(term)(predictions([0.8, 0.4]))
    assert plain.losses["loss_mask"].item() == pytest.approx(0.4 * (2 / 3) / 2, rel=1e-4)
    assert divided.losses["loss_mask"].item() == pytest.approx(0.4 * (2 / 3) / 1.2, rel=1e-4)
    assert divided.diagnostics.keys() == plain.diagnostics.keys()
    # Scaling all qualities changes nothing, and objects without a pseudo mask are left out.
    halved = DividedByQuality(term)(predictions([0.4, 0.2])).losses["loss_mask"]
    assert halved.item() == pytest.approx(divided.losses["loss_mask"].item())
    alone = DividedByQuality(term)(predictions([0.0, 0.2])).losses["loss_mask"]
    assert alone.item() == pytest.approx(2 / 3, rel=1e-4)


def test_no_pseudo_masks_no_loss() -> None:
    for term in (PseudoMaskProfiles(), DividedByQuality(PseudoMaskDice())):
        assert [v.item() for v in term(predictions([0.0, 0.0])).losses.values()] == [0]
