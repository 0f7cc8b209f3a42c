"""The box loss as a whole, and its projection term."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.box_supervision import BoxSupervision, projection_loss
from boxseg.mask_losses import MaskPredictions
from tests.box_supervision_by_definition import (
    pairwise_by_definition,
    similarity_by_definition,
    soft_image,
)


def test_projection_by_hand() -> None:
    logits = torch.full((1, 2, 3), -500.0)
    logits[0, 0, 0] = 500
    logits[0, 1, 1] = 0.0
    # Maxima along x: 1, 0.5 for rows; along y: 1, 0.5, 0 for columns. The box fills row 0 and
    # columns 0 and 1.
    rows = torch.tensor([[True, False]])
    columns = torch.tensor([[True, True, False]])
    of_rows = 1 - 2 * 1 / (1.25 + 1)
    of_columns = 1 - 2 * 1.5 / (1.25 + 2)
    found = projection_loss(logits, rows, columns)
    assert found.tolist() == pytest.approx([of_rows + of_columns], abs=1e-5)
    # A mask that fills the box costs nothing, one outside of it 2.
    logits = torch.tensor([[[500.0, 500, -500], [-500, -500, -500]]])
    assert projection_loss(logits, rows, columns).item() == pytest.approx(0, abs=1e-5)
    logits = torch.tensor([[[-500.0, -500, -500], [-500, -500, 500]]])
    assert projection_loss(logits, rows, columns).item() == pytest.approx(2, abs=1e-5)


def predictions(
    logits: Tensor, object_index: list[int], images: list[npt.NDArray[np.uint8]], iteration: int = 1
) -> MaskPredictions:
    """Images of different sizes, padded to 24 x 28, at stride 4; every one has two objects."""
    padded = torch.zeros(len(images), 3, 24, 28)
    objects = []
    for slot, image in zip(padded, images, strict=True):
        slot[:, : image.shape[0], : image.shape[1]] = torch.from_numpy(image).permute(2, 0, 1)
        instances = Instances(image.shape[:2])
        instances.gt_boxes = Boxes(
            torch.tensor([[1.5, 2.0, 17.2, 19.8], [6.0, 0.0, image.shape[1], image.shape[0]]])
        )
        instances.gt_classes = torch.tensor([0, 1])
        objects.append(instances)
    return MaskPredictions(
        logits=logits,
        object_index=torch.tensor(object_index, dtype=torch.int64),
        objects=objects,
        images=padded,
        image_sizes=[(i.shape[0], i.shape[1]) for i in images],
        original_heights=[2 * i.shape[0] for i in images],
        stride=4,
        iteration=iteration,
    )


@pytest.mark.parametrize("channel_order", ["RGB", "BGR"])
def test_both_terms_by_definition(channel_order: str) -> None:
    """The whole loss from images, boxes and logits alone, a second time and the slow way."""
    images = [soft_image(24, 28, 1), soft_image(20, 24, 2)]
    object_index = [0, 3, 2, 0]
    logits = 2 * torch.randn(4, 6, 7)
    supervision = BoxSupervision(
        color_threshold=0.3,
        warmup_iterations=1,
        bottom_rows_removed=10,
        channel_order=channel_order,
    )
    given = predictions(logits, object_index, images)
    losses = supervision(given).losses
    sums = total = projection = 0.0
    for mask, n in zip(logits.double().numpy(), object_index, strict=True):
        image, box = images[n // 2], given.objects[n // 2].gt_boxes.tensor[n % 2].tolist()
        rgb = image if channel_order == "RGB" else image[..., ::-1]
        padded = np.zeros((24, 28, 3))
        padded[: image.shape[0], : image.shape[1]] = rgb
        related = np.zeros((42, 42))
        for p, q in itertools.product(range(42), repeat=2):
            similarity = similarity_by_definition(padded, 4, divmod(p, 7), divmod(q, 7))
            assert abs(similarity - 0.3) > 1e-4  # no pair whose relation is a matter of rounding
            related[p, q] = similarity >= 0.3
        pixels = np.zeros((24, 28))
        pixels[: image.shape[0] - 5, : image.shape[1]] = 1  # 10 rows of an image twice as high
        area = pixels[2::4, 2::4]
        filled = np.zeros((24, 28))
        filled[int(box[1]) : int(box[3] + 1), int(box[0]) : int(box[2] + 1)] = 1
        box_mask = filled[2::4, 2::4]
        term, weight = pairwise_by_definition(mask, related, area, box_mask, 2)
        sums, total = sums + term, total + weight
        probabilities = 1 / (1 + np.exp(-mask))
        for axis in (0, 1):
            x, t = probabilities.max(axis=axis), box_mask.max(axis=axis)
            projection += 1 - 2 * (x * t).sum() / ((x * x).sum() + (t * t).sum() + 1e-5)
    assert losses["loss_pairwise"].item() == pytest.approx(sums / total, rel=1e-4)
    assert losses["loss_prj"].item() == pytest.approx(projection / 4, rel=1e-5)
    assert 0 < total < 4 * 42 * 8


def test_warm_up_grows_linearly_and_stops_at_one() -> None:
    supervision = BoxSupervision(warmup_iterations=400)
    given = predictions(torch.randn(2, 6, 7), [0, 1], [soft_image(24, 28, 1)])
    full = supervision(replace(given, iteration=400)).losses["loss_pairwise"].item()
    assert full > 0
    for iteration, factor in ((1, 1 / 400), (100, 0.25), (400, 1), (90_000, 1)):
        terms = supervision(replace(given, iteration=iteration))
        assert terms.losses["loss_pairwise"].item() == pytest.approx(factor * full, rel=1e-5)
        assert terms.diagnostics["pairwise_warmup"].item() == pytest.approx(factor)
        # The raw term is logged without the factor, and the other term knows nothing of it.
        assert terms.diagnostics["pairwise_raw"].item() == pytest.approx(full, rel=1e-5)
        assert not terms.diagnostics["pairwise_raw"].requires_grad
        assert terms.losses["loss_prj"].item() == pytest.approx(
            supervision(given).losses["loss_prj"].item()
        )


def test_bottom_rows_carry_no_colour_supervision() -> None:
    """Without the term there, masks at the lowest rows are free: no gradient reaches them."""
    flat = np.full((24, 28, 3), 100, np.uint8)
    logits = torch.randn(1, 6, 7, requires_grad=True)
    given = predictions(logits, [1], [flat])  # its box covers the image from column 1 on
    # The image was twice as high: 24 removed rows are its lower half, rows 14, 18 and 22.
    half = BoxSupervision(warmup_iterations=1, bottom_rows_removed=24)(given)
    (gradient,) = torch.autograd.grad(half.losses["loss_pairwise"], logits)
    # Row 5 lies at 22; its neighbours two rows away lie at 14 and, outside the map, at 30: it is
    # in no pair whose other pixel is supervised.
    assert not gradient[0, 5].any()
    assert gradient[0, :3].any(dim=1).all()
    none = BoxSupervision(warmup_iterations=1, bottom_rows_removed=0)(given)
    (gradient,) = torch.autograd.grad(none.losses["loss_pairwise"], logits)
    assert gradient[0, 5].any()


def test_no_related_pairs_cost_nothing() -> None:
    """Every pixel a colour of its own: nothing to compare, and no division by 0."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 28, 3)).astype(np.uint8)
    noise[::8] = 255 - noise[::8]
    logits = torch.randn(1, 6, 7, requires_grad=True)
    supervision = BoxSupervision(color_threshold=1.1, warmup_iterations=1)
    terms = supervision(predictions(logits, [0], [noise]))
    assert terms.losses["loss_pairwise"].item() == 0
    sum(terms.losses.values()).backward()  # type: ignore[union-attr]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_no_positives() -> None:
    logits = torch.zeros(0, 6, 7, requires_grad=True)
    terms = BoxSupervision()(predictions(logits, [], [soft_image(24, 28, 1)]))
    assert {k: v.item() for k, v in terms.losses.items()} == {"loss_prj": 0, "loss_pairwise": 0}
    sum(terms.losses.values()).backward()  # type: ignore[union-attr]
    assert logits.grad is not None


def test_images_without_objects() -> None:
    given = predictions(torch.zeros(0, 6, 7, requires_grad=True), [], [soft_image(24, 28, 1)])
    nothing = given.objects[0][torch.zeros(2, dtype=torch.bool)]
    terms = BoxSupervision()(replace(given, objects=[nothing]))
    assert all(loss.item() == 0 for loss in terms.losses.values())
