"""BoxInst's terms against the published definitions, pixel by pixel."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from detectron2.structures import Boxes, Instances
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from torch import Tensor

from boxseg.box_supervision import (
    BoxSupervision,
    PairWeights,
    box_profiles,
    color_similarities,
    pair_views,
    pairwise_sums,
    projection_loss,
    supervised_area,
)
from boxseg.condinst.mask_losses import MaskPredictions

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))
NEIGHBOURS = [d for d in itertools.product((-1, 0, 1), repeat=2) if d != (0, 0)]
Array = npt.NDArray[np.number | np.bool_]


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    dilation=st.integers(1, 4),
)
def test_every_pair_of_neighbours_is_viewed_once(height: int, width: int, dilation: int) -> None:
    numbers = torch.arange(height * width).reshape(1, height, width)
    viewed = []
    for direction in DIRECTIONS:
        first, second = pair_views(numbers, direction, dilation)
        assert first.shape == second.shape
        viewed += list(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True))
    expected = {
        frozenset(
            (row * width + column, (row + dilation * down) * width + column + dilation * right)
        )
        for row, column in itertools.product(range(height), range(width))
        for down, right in NEIGHBOURS
        if 0 <= row + dilation * down < height and 0 <= column + dilation * right < width
    }
    assert len(viewed) == len(expected)
    assert {frozenset(pair) for pair in viewed} == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_view_pairs_a_pixel_with_its_neighbour_in_that_direction(
    direction: tuple[int, int],
) -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(7), indexing="ij")
    for places, step in ((rows, direction[0]), (columns, direction[1])):
        first, second = pair_views(places, direction, 2)
        assert (second - first == 2 * step).all()


corner = st.floats(0, 36, width=32)


@given(
    x=st.tuples(corner, corner),
    y=st.tuples(corner, corner),
    stride=st.sampled_from([1, 2, 4]),
)
def test_box_profiles_sample_a_filled_mask(
    x: tuple[float, float], y: tuple[float, float], stride: int
) -> None:
    (x0, x1), (y0, y1) = sorted(x), sorted(y)
    pixels = np.zeros((32, 40), bool)
    pixels[int(y0) : int(np.float32(y1) + 1), int(x0) : int(np.float32(x1) + 1)] = True
    rows, columns = box_profiles(
        torch.tensor([[x0, y0, x1, y1]]), stride, 32 // stride, 40 // stride
    )
    expected = pixels[stride // 2 :: stride, stride // 2 :: stride]
    np.testing.assert_array_equal(rows[0, :, None] & columns[0, None], expected)


def test_box_profiles_by_hand() -> None:
    # Columns 3 to 9, of which stride 4 sees 6; rows 6 to 10, of which it sees 6 and 10.
    rows, columns = box_profiles(torch.tensor([[3.9, 6.2, 9.0, 10.9]]), 4, 4, 3)
    assert rows.tolist() == [[False, True, True, False]]
    assert columns.tolist() == [[False, True, False]]


def test_supervised_area_leaves_padding_and_bottom_rows_out() -> None:
    # Image 0 fills 40 x 24 of 48 x 32 pixels; it was 100 rows high, so the lowest
    # int(10 * 40 / 100) = 4 rows are out: rows 2, 6, ..., 34 of the map lie above 36.
    # Image 1 fills everything and is not resized: int(10 * 48 / 48) = 10 rows out, above 38.
    area = supervised_area([(40, 24), (48, 32)], [100, 48], 10, 4, 12, 8, torch.device("cpu"))
    expected = torch.zeros(2, 12, 8, dtype=torch.bool)
    expected[0, :9, :6] = True
    expected[1, :9, :] = True  # row 8 lies at 34, row 9 at 38
    assert torch.equal(area, expected)
    # Row 9 lies at 38: out when 10 * 40 / 200 = 2 rows are removed, in when int(1.99) = 1 is.
    for original, removed, rows in ((200, 10, 9), (201, 10, 10), (200, 0, 10)):
        area = supervised_area([(40, 24)], [original], removed, 4, 12, 8, torch.device("cpu"))
        assert area[0, :, 0].sum() == rows


def similarity_by_definition(
    image: Array, stride: int, p: tuple[int, int], q: tuple[int, int]
) -> float:
    """exp(-|c_p - c_q| / 2) of two cells of a (H, W, 3) RGB image."""
    colours = []
    for row, column in (p, q):
        block = image[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
        mean = np.floor(block.reshape(-1, 3).mean(axis=0))
        colours.append(rgb2lab(mean[None, None] / 255)[0, 0])
    return math.exp(-np.linalg.norm(colours[0] - colours[1]) / 2)


def soft_image(height: int, width: int, seed: int) -> npt.NDArray[np.uint8]:
    """RGB, flat enough that neighbouring cells are similar about as often as not."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 12, (height, width, 3)) + np.array([120, 90, 140])).astype(np.uint8)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_color_similarities_by_definition(dtype: torch.dtype) -> None:
    image = soft_image(12, 14, 3)
    maps = torch.from_numpy(image).permute(2, 0, 1)[None].to(dtype)
    similarities = color_similarities(maps, 2, 2)
    for direction, found in zip(DIRECTIONS, similarities, strict=True):
        assert found.dtype == torch.float32
        cells = torch.arange(6 * 7).reshape(6, 7)
        first, second = pair_views(cells, direction, 2)
        expected = [
            similarity_by_definition(image, 2, divmod(int(p), 7), divmod(int(q), 7))
            for p, q in zip(first.flatten(), second.flatten(), strict=True)
        ]
        np.testing.assert_allclose(found.flatten(), expected, atol=1e-4)


def pairwise_by_definition(
    logits: Array, related: Array, area: Array, box: Array, dilation: int
) -> tuple[float, float]:
    """Sum of the term and of its weights over every pixel's eight neighbours.

    A pixel's neighbour counts with the pixel's box mask, if they are related and the neighbour
    lies in the supervised area. `related` holds flattened pixel pairs, (h * w, h * w).
    """
    height, width = logits.shape
    sums = total = 0.0
    for row, column in itertools.product(range(height), range(width)):
        for down, right in NEIGHBOURS:
            y, x = row + dilation * down, column + dilation * right
            if not (0 <= y < height and 0 <= x < width and area[y, x]):
                continue
            weight = box[row, column] * related[row * width + column, y * width + x]
            p, q = (1 / (1 + math.exp(-z)) for z in (logits[row, column], logits[y, x]))
            sums += weight * -math.log(p * q + (1 - p) * (1 - q))
            total += weight
    return sums, total


def related_pairs(related: Array, height: int, width: int, dilation: int) -> list[Tensor]:
    """A symmetric relation of flattened pixels in the shapes of `pair_views`."""
    cells = torch.arange(height * width).reshape(height, width)
    table = torch.from_numpy(related).bool()
    return [
        table[first, second]
        for first, second in (pair_views(cells, d, dilation) for d in DIRECTIONS)
    ]


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_pairwise_sums_by_definition(dilation: int) -> None:
    rng = np.random.default_rng(dilation)
    height, width, count = 6, 7, 3
    related = rng.random((count, 42, 42)) < 0.6
    related |= related.transpose(0, 2, 1)
    area = rng.random((count, height, width)) < 0.8
    box = np.zeros((count, height, width), bool)
    box[0, 1:5, 2:6] = True
    box[1] = True
    box[2, 5, 0] = True
    logits = 3 * rng.standard_normal((4, height, width))
    pairs = [
        torch.stack(maps)
        for maps in zip(*(related_pairs(r, height, width, dilation) for r in related), strict=True)
    ]
    weights = PairWeights.of(pairs, torch.from_numpy(area), torch.from_numpy(box), dilation)
    objects = [1, 0, 2, 1]
    sums = pairwise_sums(torch.from_numpy(logits).float(), weights, torch.tensor(objects), dilation)
    expected = [
        pairwise_by_definition(mask, related[n], area[n], box[n], dilation)
        for mask, n in zip(logits, objects, strict=True)
    ]
    np.testing.assert_allclose(sums, [e[0] for e in expected], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(weights.total[objects], [e[1] for e in expected])


def all_related(height: int, width: int) -> PairWeights:
    everything = torch.ones(1, height, width, dtype=torch.bool)
    pairs = [pair_views(everything, d, 2)[0] for d in DIRECTIONS]
    return PairWeights.of(pairs, everything, everything, 2)


def test_pairwise_of_saturated_logits() -> None:
    weights = all_related(6, 7)
    logits = torch.full((3, 6, 7), 500.0)
    logits[1] = -500
    logits[2, :, 3:5] = -500  # columns 3 and 4 against the rest
    logits.requires_grad_()
    sums = pairwise_sums(logits, weights, torch.zeros(3, dtype=torch.int64), 2)
    # Agreement costs nothing. With p = 1 - e^-500 and q = e^-500, p q + (1 - p)(1 - q) = 2 e^-500:
    # a disagreeing pair costs 500 - log 2, once from either side. Columns two apart that differ:
    # (1, 3), (2, 4), (3, 5), (4, 6); each with 6 pairs in a row and 4 on either diagonal: 14 pairs.
    torch.testing.assert_close(sums, torch.tensor([0, 0, 2 * 4 * 14 * (500 - math.log(2))]))
    sums.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_pairwise_gradient_is_that_of_the_definition() -> None:
    weights = all_related(6, 7)
    logits = torch.randn(1, 6, 7, dtype=torch.float64, requires_grad=True)
    index = torch.zeros(1, dtype=torch.int64)
    (found,) = torch.autograd.grad(pairwise_sums(logits, weights, index, 2).sum(), logits)
    p = logits.sigmoid()
    explicit = torch.zeros((), dtype=torch.float64)
    for direction in DIRECTIONS:
        first, second = pair_views(p, direction, 2)
        explicit = explicit - 2 * (first * second + (1 - first) * (1 - second)).log().sum()
    (expected,) = torch.autograd.grad(explicit, logits)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


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
