"""CondInst in evaluation: boxes and masks of the original image's size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from boxseg.condinst import CondInst
from boxseg.condinst.fcos import Candidates
from tests.condinst.tiny import SIDE, box_supervised, empty_image, painted, two_images


def test_images_of_different_sizes_are_padded_with_zeros() -> None:
    model = box_supervised()
    wide, high = torch.full((3, 20, 50), 255.0), torch.full((3, 40, 30), 255.0)
    raw, images = model.batched_images([{"image": wide}, {"image": high}])
    assert images.image_sizes == [(20, 50), (40, 30)]
    # The pyramid's coarsest level has stride 16: both sides are multiples of it.
    assert raw.shape == images.tensor.shape == (2, 3, 48, 64)
    for index, image in enumerate((wide, high)):
        height, width = image.shape[1:]
        assert (raw[index, :, :height, :width] == 255).all()
        assert raw[index].sum() == image.sum()
        # (255 - 127) / 128, and 0 in the padding: that is the mean colour.
        assert (images.tensor[index, :, :height, :width] == 1).all()
        assert images.tensor[index].sum() == image.numel()


def confident_model() -> CondInst:
    """Untrained, but it finds something and gives its findings masks of their own."""
    model = box_supervised(score_threshold=0.002).eval()
    nn.init.normal_(model.controller.weight, std=0.3)
    nn.init.constant_(model.detector.head.bbox_pred.bias, 2.0)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize(("height", "width"), [(64, 64), (45, 101), (128, 90)])
def test_detections_have_the_original_size(height: int, width: int) -> None:
    x = two_images(False)[0] | {"height": height, "width": width}
    found = confident_model()([x])[0]["instances"]
    count = len(found)
    assert 0 < count <= 10
    assert found.image_size == (height, width)
    assert found.pred_masks.dense().shape == (count, height, width)
    assert found.pred_masks.dense().any()
    boxes = found.pred_boxes.tensor
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= width
    assert boxes[:, 3].max() <= height
    assert (found.scores[:-1] >= found.scores[1:]).all()
    assert ((found.scores > 0) & (found.scores < 1)).all()
    assert found.pred_classes.dtype == torch.int64


def test_detections_do_not_depend_on_the_other_images() -> None:
    model = confident_model()
    batch = [two_images(False)[0], empty_image(False), two_images(False)[1]]
    together = model(batch)
    for x, found in zip(batch, together, strict=True):
        alone = model([x])[0]["instances"]
        assert len(found["instances"]) == len(alone) > 0
        torch.testing.assert_close(
            found["instances"].pred_boxes.tensor, alone.pred_boxes.tensor, rtol=1e-4, atol=1e-3
        )
        torch.testing.assert_close(found["instances"].locations, alone.locations)
        agreement = (
            (found["instances"].pred_masks.dense() == alone.pred_masks.dense()).float().mean()
        )
        assert agreement > 0.999


def test_inference_without_annotations_or_size() -> None:
    """An image alone is enough; without a stated size its own counts."""
    found = confident_model()([{"image": painted([], [])[:, :40, :50]}])[0]["instances"]
    assert found.pred_masks.size == (40, 50)


def test_nothing_found() -> None:
    model = box_supervised(score_threshold=0.99).eval()
    for height, width in ((64, 64), (30, 90)):
        found = model([empty_image(False) | {"height": height, "width": width}])[0]["instances"]
        assert len(found) == 0
        assert found.pred_masks.dense().shape == (0, height, width)
        assert found.pred_boxes.tensor.shape == (0, 4)


def test_boxes_and_masks_at_the_original_size_by_hand() -> None:
    """A network's input of 16 x 12 pixels (one row of cells is padding) from 32 x 12."""
    model = box_supervised()
    numbers = torch.arange(3)
    kept = Candidates(
        boxes=torch.tensor(
            [[2.0, 3.0, 9.0, 10.0], [-5.0, 4.0, 40.0, 99.0], [13.0, 2.0, 20.0, 9.0]]
        ),
        scores=torch.tensor([0.9, 0.8, 0.7]),
        classes=torch.tensor([2, 0, 1]),
        cells=numbers,
        level=numbers,
        locations=torch.zeros(3, 2),
        image_index=torch.zeros_like(numbers),
    )
    logits = torch.full((3, 5, 3), -8.5)  # masks' stride 4: 20 x 12 pixels
    logits[0, :, :2] = 8.0  # columns 0 and 1, at pixels 2 and 6
    logits[1] = 8.0
    logits[1, 4] = -8.5  # the padding says otherwise
    found = model.at_original_size(kept, logits, (16, 12), (32, 12))
    # Rows are twice as high now; the second box is cut to the image; the third lies outside of it.
    expected = torch.tensor([[2.0, 6.0, 9.0, 20.0], [0.0, 8.0, 12.0, 32.0]])
    assert torch.equal(found.pred_boxes.tensor, expected)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.pred_classes.tolist() == [2, 0]
    assert found.levels.tolist() == [0, 1]
    # Probabilities fall from 1 at column 6 to 0 at column 10, below one half from 8 on.
    columns = torch.arange(12) < 8
    assert torch.equal(found.pred_masks[0], columns.expand(32, 12))
    # The padding's row 4 lies at pixel 18, row 3 at 14: rows 14 and 15 have more than one half.
    assert found.pred_masks[1].all()
    # The candidates themselves stay what they were.
    assert kept.boxes[0].tolist() == [2, 3, 9, 10]


def test_masks_lie_where_the_network_sees_them() -> None:
    """Masks at the input's size agree with the logits at the cells' places."""
    model = confident_model()
    x = two_images(False)[0]
    with torch.no_grad():
        _, images = model.batched_images([x])
        features = model.features(images.tensor)
        candidates, _ = model.detector.candidates(features.outputs)
        kept = candidates[model.detector.surviving(candidates, 1)[0]]
        logits = model.masks_at(features, kept)
    found = model.at_original_size(kept, logits, (SIDE, SIDE), (SIDE, SIDE))
    at_cells = found.pred_masks.dense()[:, 2::4, 2::4]
    clear = logits.abs() > 0.01
    assert torch.equal(at_cells[clear], (logits > 0)[clear])


def test_bfloat16_autocast_detects_close_to_float32() -> None:
    model = confident_model()
    x = two_images(False)[0]
    exact = model([x])[0]["instances"]
    with torch.autocast("cpu", torch.bfloat16):
        found = model([x])[0]["instances"]
    assert found.pred_boxes.tensor.dtype == found.scores.dtype == torch.float32
    assert found.scores.max().item() == pytest.approx(exact.scores.max().item(), rel=0.05)
