"""The suite's BoxInst against mmdet's: the same weights and batch give the same losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import Instances
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")

from baselines.mmdet_samples import network_input
from boxseg.condinst.dynamic_mask_head import DynamicMaskHead
from boxseg.condinst.fcos_head import flatten_levels
from boxseg.condinst.model import CondInst
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TrainingMapper
from boxseg.data.records import load_records
from experiments.configuration.compose import compose
from experiments.run.data import dataset_of
from tests.baselines.mmdet_models import EXACT, IMAGENET, blocks, image_with, losses, pair
from tests.baselines.mmdet_weights import TERMS, load_into_mmdet, widened

TOLERANCE = 1e-5
EQUAL_TERMS = [name for name in TERMS if name != "loss_fcos_loc"]
BOXES = [[4.0, 6.5, 30.0, 34.0], [28.3, 26.0, 60.0, 58.0]]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    words = ["scale=smoke", f"data_dir='{tmp_path_factory.mktemp('data')}'"]
    records = load_records(dataset_of(compose(words)).split("train"), False).records
    return [record for record in records if record["annotations"]]


def plain_box_loss(model: CondInst, batch: list[dict[str, Any]]) -> Tensor:
    """`loss_fcos_loc` with the plain GIoU in the place of the published FCOS code's."""
    _, images = model.batched_images(batch)
    outputs = model.features(images.tensor).outputs
    targets = model.detector.targets(outputs, [x["instances"] for x in batch])
    cells = targets.object_index >= 0
    found, wanted = flatten_levels(outputs.box_distances)[cells], targets.box_distances[cells]
    left, top, right, bottom = wanted.unbind(1)
    weights = (
        torch.minimum(left, right)
        / torch.maximum(left, right)
        * torch.minimum(top, bottom)
        / torch.maximum(top, bottom)
    ).sqrt()

    def corners(distances: Tensor) -> Tensor:
        return torch.cat((-distances[:, :2], distances[:, 2:]), dim=1)

    each = generalized_box_iou_loss(corners(found), corners(wanted), eps=1e-9)
    return (weights * each).sum() / weights.sum()


@pytest.mark.parametrize("sides", [[64], [48, 53, 64]])
def test_same_losses_on_scenes(scenes: list[dict[str, Any]], sides: list[int]) -> None:
    ours, theirs = pair()
    mapper = TrainingMapper(ImageReader("RGB"), sides, 64, flip=True, with_masks=False)
    batch = [mapper(r, np.random.default_rng([7, i])) for i, r in enumerate(scenes[:9])]
    # mmdet counts an image in which no two pixels are alike as one pair; see below.
    batch = [one for one in batch if losses(ours, [one])["loss_pairwise"] > 0][:6]
    assert len(batch) == 6
    a, b = losses(ours, batch), losses(theirs, batch)
    for name in EQUAL_TERMS:
        assert a[name] > 1e-3
        assert b[TERMS[name]] == pytest.approx(a[name], rel=TOLERANCE), name
    # The box term differs by the 1 that the published FCOS code adds; without it they agree.
    assert b["loss_bbox"] != pytest.approx(a["loss_fcos_loc"], rel=1e-3)
    assert b["loss_bbox"] == pytest.approx(plain_box_loss(ours, batch).item(), rel=TOLERANCE)


def test_an_image_without_alike_pixels_counts_as_a_pair_in_mmdet() -> None:
    ours, theirs = pair()
    # Masks have cells of 4 pixels, and cells two apart are compared: here no two of them are alike.
    place = torch.arange(16) // 2 % 2
    levels = (160 * place[:, None] + 80 * place).byte()
    unlike = levels.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1).expand(3, -1, -1)
    batch = [image_with(blocks(range(90, 130)), BOXES), image_with(unlike, BOXES)]
    assert losses(ours, batch[1:])["loss_pairwise"] == 0
    mine, other = losses(ours, batch)["loss_pairwise"], losses(theirs, batch)["loss_mask_pairwise"]
    pairs = other / (mine - other)  # n / (n + 1) is their ratio
    assert pairs > 10
    assert pairs == pytest.approx(round(pairs), rel=1e-2)


def test_adapter_computes_what_mmdet_computes() -> None:
    """mmdet's own `BoxInst.loss` on the inputs that its own preprocessor makes."""
    _, theirs = pair()
    batch = [image_with(blocks(range(90, 130)), BOXES), image_with(blocks([7, 90, 255]), BOXES[:1])]
    wanted = losses(theirs, batch)
    inputs, samples = network_input(theirs.detector, [x["image"] for x in batch], batch)
    direct = theirs.detector.loss(inputs, samples)
    assert {name: loss.item() for name, loss in direct.items()} == pytest.approx(wanted, rel=1e-6)


def test_gradients_agree() -> None:
    ours, theirs = pair()
    batch = [image_with(blocks(range(90, 130)), BOXES)]
    a, b = ours.losses(batch, 7).losses, theirs.losses(batch, 7).losses
    torch.stack([a[name] for name in EQUAL_TERMS]).sum().backward()
    torch.stack([b[TERMS[name]] for name in EQUAL_TERMS]).sum().backward()
    mine = ours.backbone.bottom_up.stem.conv1.weight.grad
    other = theirs.backbone.bottom_up.stem.conv1.weight.grad
    torch.testing.assert_close(other, mine, rtol=1e-3, atol=1e-6)


def test_bottom_rows_are_counted_in_another_image() -> None:
    # 64 of 128 original rows: 10 rows of the original are 5 here, but 10 of 64 are 10 in mmdet.
    batch = [image_with(blocks(range(100, 104)), BOXES, original_height=128)]
    ours, theirs = pair("dataset.bottom_rows_removed=10")
    theirs_pairwise = losses(theirs, batch)["loss_mask_pairwise"]
    assert losses(ours, batch)["loss_pairwise"] != pytest.approx(theirs_pairwise, rel=1e-3)
    twice, _ = pair("dataset.bottom_rows_removed=20")  # int(20 x 64 / 128) = 10
    assert losses(twice, batch)["loss_pairwise"] == pytest.approx(theirs_pairwise, rel=TOLERANCE)


def survivors(mean: float, std: float) -> set[int]:
    """Values that a normalisation, undone in float32 and rounded down, leaves as they are."""
    values, m, s = torch.arange(256.0), torch.tensor(mean), torch.tensor(std)
    return set(values[((values - m) / s * s + m).floor() == values].int().tolist())


def test_colours_go_through_the_normalisation() -> None:
    assert len(survivors(127.0, 128.0)) == 256
    channels = ((123.675, 58.395), (116.28, 57.12), (103.53, 57.375))
    kept = set.intersection(*[survivors(mean, std) for mean, std in channels])
    assert 200 < len(kept) < 256
    near = range(38, 50)
    assert not set(near) <= kept
    ours, theirs = pair(*IMAGENET)
    for levels, equal in ((list(near), False), (sorted(kept & set(near)), True)):
        batch = [image_with(blocks(levels), BOXES)]
        a, b = losses(ours, batch)["loss_pairwise"], losses(theirs, batch)["loss_mask_pairwise"]
        assert (b == pytest.approx(a, rel=TOLERANCE)) == equal


@pytest.mark.parametrize(("height", "equal"), [(55, False), (56, True)])
def test_padding_has_another_colour(height: int, equal: bool) -> None:
    # The lowest cell of 55 rows, 52 to 55, counts (its place, row 54, is in the image) and takes
    # a quarter of its colour from the padding; 56 rows end with a cell.
    ours, theirs = pair(*EXACT)
    pixels = blocks(range(200, 204), height=height)
    batch = [image_with(pixels, [[4.0, 30.0, 60.0, 54.0]]), image_with(blocks([9]), BOXES[:1])]
    a, b = losses(ours, batch)["loss_pairwise"], losses(theirs, batch)["loss_mask_pairwise"]
    assert (b == pytest.approx(a, rel=TOLERANCE)) == equal


def clipped_centers(objects: Instances) -> Tensor:
    """Means of the boxes' filled pixels within the image."""
    corners = objects.gt_boxes.tensor
    height, width = objects.image_size
    limit = torch.tensor([width, height])
    return (corners[:, :2].trunc() + (corners[:, 2:] + 1).trunc().minimum(limit) - 1) / 2


def test_centres_of_boxes_at_the_border() -> None:
    # Rows 33 to 64 have their mean at 48.5, rows 33 to 63, which is all there are, at 48. Of the
    # cells with a stride of 4, rows 46, 50 and 54 are less than 6 away from the one, and 46 and 50
    # from the other.
    batch = [image_with(blocks(range(100, 104)), [[10.0, 33.0, 40.0, 64.0]])]
    ours, theirs = pair()
    a, b = losses(ours, batch), losses(theirs, batch)
    assert b["loss_cls"] != pytest.approx(a["loss_fcos_cls"], rel=10 * TOLERANCE)
    ours.detector.object_centers = clipped_centers
    a = losses(ours, batch)
    for name in EQUAL_TERMS:
        assert b[TERMS[name]] == pytest.approx(a[name], rel=TOLERANCE), name


def test_an_image_without_similar_pairs_counts_one() -> None:
    # The box holds 2 x 2 cells, each similar to its 8 neighbours, and has 4 positives: 128 pairs.
    # In the other image all neighbours, two cells away, differ; its sum of 0 is 1 in mmdet's
    # divisor, so the pairs' sum is divided by 129 and not by 128.
    ours, theirs = pair()
    flat = image_with(blocks([90]), [[20.0, 20.0, 27.0, 27.0]])
    cells = torch.arange(16) // 2 % 2
    colours = torch.tensor([[[0, 255], [255, 0]], [[0, 255], [0, 255]], [[0, 255], [0, 0]]])
    pattern = colours[:, cells][:, :, cells].byte()
    pixels = pattern.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    batch = [flat, image_with(pixels, BOXES[:1])]
    a, b = losses(ours, batch)["loss_pairwise"], losses(theirs, batch)["loss_mask_pairwise"]
    assert a > 1e-3
    assert b * 129 == pytest.approx(a * 128, rel=TOLERANCE)


def test_added_channels_change_no_mask() -> None:
    narrow = DynamicMaskHead(16, 4, 4, [32.0])
    parameters, features = torch.randn(3, narrow.num_parameters), torch.randn(1, 16, 8, 8)
    places = torch.tensor([[4.0, 4.0], [10.0, 20.0], [30.0, 2.0]])
    zeros = torch.zeros(3, dtype=torch.int64)
    masks = narrow(features, parameters, zeros, places, zeros)
    wide = widened(parameters.T, 16).T
    assert wide.shape == (3, 593)
    # The same by hand, layer by layer, with 16 channels.
    w1, w2, w3, b1, b2, b3 = wide.split([18 * 16, 16 * 16, 16, 16, 16, 1], dim=1)
    grid = torch.arange(8) * 4 + 2
    offsets = [places[:, axis, None, None] - g for axis, g in ((0, grid), (1, grid[:, None]))]
    inputs = torch.stack([o.expand(3, 8, 8) / 32 for o in offsets], dim=1)
    x = torch.cat([inputs, features.expand(3, -1, -1, -1)], dim=1).flatten(2)
    x = (w1.reshape(3, 16, 18) @ x + b1[..., None]).relu()
    x = (w2.reshape(3, 16, 16) @ x + b2[..., None]).relu()
    x = (w3.reshape(3, 1, 16) @ x + b3[..., None]).reshape(3, 8, 8)
    torch.testing.assert_close(masks, x, rtol=1e-4, atol=1e-4)


def test_models_of_other_sizes_are_refused() -> None:
    ours, _ = pair()
    _, theirs = pair("scale.segmenter.tower_convs=2")
    with pytest.raises(ValueError, match=r"differ in bbox_head\.cls_convs\.1"):
        load_into_mmdet(ours, theirs)
