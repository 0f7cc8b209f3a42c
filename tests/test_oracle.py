"""The oracle's pseudo masks, and that its draws go on after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.errors import InputError
from boxseg.oracle import OracleLabeller
from boxseg.pseudo_labels import RememberingLabeller, TeacherPredictions


def nothing() -> TeacherPredictions:
    """A teacher that predicts nothing, which the oracle does not look at."""
    return TeacherPredictions(
        boxes=torch.zeros(0, 4),
        scores=torch.zeros(0),
        classes=torch.zeros(0).long(),
        image_size=(24, 32),
        original_scale=1.0,
        mask_stride=4,
        masks_of=lambda indices: torch.zeros(0, 6, 8),
        suppressed=lambda: torch.arange(0),
    )


def objects_with(masks: Tensor) -> Instances:
    objects = Instances((24, 32))
    objects.gt_boxes = Boxes(torch.tensor([[0.0, 0, 32, 24]] * len(masks)))
    objects.true_masks = masks
    return objects


def rectangle() -> Tensor:
    """Rows 1 to 4 of columns 2 to 6 in 6 x 8 cells; a second mask is empty."""
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:5, 2:7] = True
    return masks


def test_true_masks_as_they_are() -> None:
    labels = OracleLabeller()(nothing(), objects_with(rectangle()))
    assert torch.equal(labels.masks, rectangle())
    assert labels.valid.tolist() == [True, False]
    assert labels.quality.tolist() == labels.scores.tolist() == [1, 0]
    assert labels.candidates.tolist() == [1, 0]


def test_erosion_takes_a_cell_off_at_every_edge() -> None:
    labels = OracleLabeller(erosion=1)(nothing(), objects_with(rectangle()))
    assert labels.masks[0].nonzero().tolist() == [[y, x] for y in (2, 3) for x in (3, 4, 5)]
    # Two cells leave nothing of four rows: no pseudo mask.
    assert not OracleLabeller(erosion=2)(nothing(), objects_with(rectangle())).valid.any()


def drawn(labeller: OracleLabeller, images: int) -> list[list[bool]]:
    """Which of 10 objects have a mask, image by image."""
    objects = objects_with(torch.ones(10, 6, 8, dtype=torch.bool))
    return [labeller(nothing(), objects).valid.tolist() for _ in range(images)]


def test_a_share_of_the_objects_drawn_anew_every_time() -> None:
    first, second, *rest = drawn(OracleLabeller(share=0.3, seed=5), 200)
    assert first != second
    # 2,000 draws: 600, sd 20.5.
    assert sum(map(sum, (first, second, *rest))) == pytest.approx(600, abs=82)
    assert drawn(OracleLabeller(share=0.3, seed=5), 2) == [first, second]


def test_the_draws_go_on_after_a_restart(tmp_path: Path) -> None:
    whole = OracleLabeller(share=0.5, seed=1)
    assert isinstance(whole, RememberingLabeller)
    drawn(whole, 3)
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    resumed = OracleLabeller(share=0.5, seed=1)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert drawn(resumed, 5) == drawn(whole, 5)


@pytest.mark.parametrize(("share", "erosion"), [(-0.1, 0), (1.1, 0), (0.5, -1)])
def test_values_that_make_no_sense(share: float, erosion: int) -> None:
    with pytest.raises(InputError, match="the oracle's share"):
        OracleLabeller(share, erosion)
