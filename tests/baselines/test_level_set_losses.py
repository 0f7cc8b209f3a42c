"""Box2Mask's losses: what they reward, who is in which image, and what is trained by them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from baselines.level_set import BoxProjection, LevelSetLoss
from baselines.level_set.local_consistency import affinities, inconsistency, refined
from baselines.level_set.losses import rounded_box_profiles
from baselines.level_set.region import contour_length, region_energy, region_term
from boxseg.box_supervision import BoxSupervision
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskPredictions
from experiments.configuration.compose import compose
from tests import taught_masks
from tests.method_steps import logged, model_and_batch
from tests.taught_masks import labelled

STRIDE, SIZE = 2, (12, 16)


def loss(**arguments: object) -> LevelSetLoss:
    torch.manual_seed(0)
    return LevelSetLoss(4, channel_order="RGB", **arguments)  # type: ignore[arg-type]


def batch(index: list[int], counts: tuple[int, ...] = (2, 1), seed: int = 0) -> MaskPredictions:
    """Masks of the objects `index` of some images of noise, with `counts` objects each."""
    generator = torch.Generator().manual_seed(seed)
    pixels = (STRIDE * SIZE[0], STRIDE * SIZE[1])
    samples = []
    for count in counts:
        corners = torch.rand(count, 2, generator=generator) * 8
        boxes = torch.cat((corners, corners + 6 + torch.rand(count, 2, generator=generator) * 8), 1)
        samples.append(labelled(boxes, torch.zeros(count, *SIZE), STRIDE))
    return taught_masks.predictions(
        torch.randn(len(index), *SIZE, generator=generator).requires_grad_(),
        index,
        samples,
        STRIDE,
        1,
        images=torch.rand(len(counts), 3, *pixels, generator=generator) * 255,
        mask_features=torch.randn(len(counts), 4, 6, 8, generator=generator).requires_grad_(),
        pseudo=None,
    )


def level_set(terms: LossTerms) -> Tensor:
    return terms.losses["loss_levelset"]


def test_total_is_the_weighted_sum_of_what_is_logged() -> None:
    terms = loss(image_weight=2.0, features_weight=3.0, consistency_weight=5.0)(batch([0, 1, 2, 2]))
    raw = terms.diagnostics
    expected = 2 * raw["region_image_raw"] + 3 * raw["region_features_raw"]
    expected = expected + 5 * raw["inconsistency_raw"]
    torch.testing.assert_close(level_set(terms).detach(), expected)
    assert all(value > 0 for value in raw.values())


def test_region_term_prefers_the_mask_of_one_colour() -> None:
    # A box of 2 x 4 cells, its left half dark and its right half bright.
    target = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 2, 4)
    box = torch.ones(1, 2, 4)
    right = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 2, 4)
    one_more = torch.tensor([0.0, 1.0, 1.0, 1.0]).expand(1, 2, 4)
    assert region_term(right, box, target).item() == 0
    assert region_term(1 - right, box, target).item() == 0  # which side is inside it cannot tell
    # Inside 1, 1 and 0: their variance is 2 / 9, of 6 of the 8 pixels.
    assert region_term(one_more, box, target).item() == pytest.approx(6 / 8 * 2 / 9)
    # Everything inside: a variance of 1 / 4, and so of nothing inside.
    for mask in (box, 0 * box):
        assert region_term(mask, box, target).item() == pytest.approx(1 / 4)
    # Outside of the box nothing counts.
    left_box = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 2, 4)
    assert region_term(one_more, left_box, target).item() == 0


@pytest.mark.parametrize("spread", [1.0, 1e-2])
def test_region_energy_is_that_of_the_definition(spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    masks, boxes = torch.rand(2, 4, *SIZE, generator=generator)
    masks[1], masks[2] = 0, 1  # nothing inside, nothing outside
    target = 1 + spread * torch.randn(4, 3, *SIZE, generator=generator)
    expected = torch.zeros(4, dtype=torch.float64)
    for mask in (masks, 1 - masks):
        phase = (mask * boxes).double()[:, None]
        inside = target.double() * boxes[:, None]
        means = (inside * phase).sum((2, 3), True) / phase.sum((2, 3), True).clamp(min=1e-5)
        expected += ((inside - means).square() * phase).mean(dim=1).sum(dim=(1, 2))
    found = region_energy(masks, boxes, target)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


def test_length_counts_both_phases_and_the_border_of_the_box() -> None:
    box = torch.zeros(1, 4, 4)
    box[:, 1:3, 1:3] = 1
    mask = torch.zeros(1, 4, 4)
    mask[:, :, 2:] = 1
    # Each phase is one of two columns of two cells: six sides each.
    assert contour_length(mask, box).item() == 12
    target = torch.zeros(1, 1, 4, 4)
    assert region_term(mask, box, target, 0.1).item() == pytest.approx(0.1 * 12 / 4)


def test_the_length_is_a_switch() -> None:
    given = batch([0, 1, 2])
    without, with_length = (level_set(loss(length_weight=w)(given)) for w in (0.0, 0.1))
    assert with_length > without


def test_consistency_wants_flat_regions_and_leaves_edges() -> None:
    image = torch.zeros(1, 3, *SIZE)
    image[..., 8:] = 2
    image += 1e-3 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    affinity = affinities(image)
    torch.testing.assert_close(affinity.sum(dim=1), torch.ones(1, *SIZE))
    along = torch.zeros(1, 1, *SIZE)
    along[..., 8:] = 1
    across = torch.zeros(1, 1, *SIZE)
    across[..., :6, :] = 1
    box = torch.ones(1, 1, *SIZE)
    assert inconsistency(along, affinity, box) < 0.02 * inconsistency(across, affinity, box)
    torch.testing.assert_close(refined(box, affinity), box)


def test_consistency_gradient_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 2, 5, 6, generator=generator, dtype=torch.float64).requires_grad_()
    affinity = affinities(torch.rand(2, 3, 5, 6, generator=generator, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda x: refined(x, affinity, 3), (maps,))


@pytest.mark.parametrize("tree_size", [None, (9, 9)])
def test_every_mask_is_filtered_in_its_own_image(tree_size: tuple[int, int] | None) -> None:
    # Masks come in any order, and images have different numbers of them.
    index = [2, 0, 1, 2, 0, 2]
    term, given = loss(tree_size=tree_size), batch(index)

    def parts(chosen: list[int], order: list[int]) -> LossTerms:
        one = replace(
            given,
            logits=given.logits[chosen],
            object_index=given.object_index[chosen],
        )
        return term(replace(one, logits=one.logits[order], object_index=one.object_index[order]))

    everything = list(range(len(index)))
    whole = parts(everything, everything)
    turned = parts(everything, everything[::-1])
    alone = [parts([k], [0]) for k in everything]
    for name in ("region_image_raw", "region_features_raw", "inconsistency_raw"):
        torch.testing.assert_close(turned.diagnostics[name], whole.diagnostics[name])
    for name in ("region_image_raw", "region_features_raw"):
        mean = torch.stack([terms.diagnostics[name] for terms in alone]).mean()
        torch.testing.assert_close(mean, whole.diagnostics[name])


def test_of_several_sets_of_predictions_it_is_the_mean() -> None:
    given = batch([0, 2, 1, 1, 0, 2])  # two sets of the three objects
    both = loss()(given)
    alone = [
        loss()(replace(given, logits=given.logits[part], object_index=given.object_index[part]))
        for part in (slice(3), slice(3, 6))
    ]
    torch.testing.assert_close(level_set(both), (level_set(alone[0]) + level_set(alone[1])) / 2)


def test_gradients_reach_masks_guide_and_features_and_no_other_image() -> None:
    term, given = loss(), batch([0, 1])  # none of image 1's
    level_set(term(given)).backward()
    assert given.logits.grad is not None
    assert given.mask_features is not None
    assert given.mask_features.grad is not None
    assert given.logits.grad.abs().sum(dim=(1, 2)).min() > 0
    assert given.mask_features.grad[0].any()
    assert not given.mask_features.grad[1].any()
    assert term.guide.weight.grad is not None
    assert term.guide.weight.grad.any()


def test_no_positives() -> None:
    term, given = loss(), batch([])
    terms = term(given)
    assert level_set(terms).item() == 0
    level_set(terms).backward()
    assert given.mask_features is not None
    assert given.mask_features.grad is not None
    assert not given.mask_features.grad.any()
    assert term.guide.weight.grad is not None
    assert BoxProjection()(given).losses["loss_prj"].item() == 0


def test_needs_mask_features() -> None:
    assert LevelSetLoss.needs_mask_features
    with pytest.raises(InputError, match=r"guide of the segmenter's mask features, .* gives none"):
        loss()(replace(batch([0]), mask_features=None))


@pytest.mark.parametrize("pad_value", [None, 128.0])
def test_padding_has_one_colour_whatever_is_in_it(pad_value: float | None) -> None:
    given = batch([0, 1, 2])
    term = loss(pad_value=pad_value)
    padding = torch.zeros(3, 1, 1)
    if pad_value is not None:
        padding = term.normalised(torch.full((1, 3, 1, 1), pad_value), [(1, 1)])[0]
        assert padding.all()
    sizes = [(20, 32), (24, 26)]
    colors = term.normalised(given.images, sizes)
    for image, (height, width) in zip(colors, sizes, strict=True):
        assert (image[:, height:] == padding).all()
        assert (image[:, :, width:] == padding).all()
        assert (image[:, :height, :width] != padding).all()


def test_channel_orders_see_the_same_colours() -> None:
    given = batch([0, 1, 2])
    rgb, bgr = loss(), loss()
    bgr.channel_order = "BGR"
    swapped = replace(given, images=given.images.flip(1))
    torch.testing.assert_close(level_set(bgr(swapped)), level_set(rgb(given)))
    assert level_set(rgb(swapped)) != level_set(rgb(given))


def test_boxes_are_rounded_half_to_even_and_resized() -> None:
    rows, columns = rounded_box_profiles(torch.tensor([[2.5, 0.5, 6.5, 3.6]]), (8, 8), (4, 4))
    # Columns 2 to 6 and rows 0 to 4, two pixels a cell.
    assert columns.tolist() == [[0, 1, 1, 0.5]]
    assert rows.tolist() == [[1, 1, 0.5, 0]]


def test_projection_is_boxinst_s_where_boxes_end_between_cells() -> None:
    given = batch([0, 1, 2, 1])
    boxes = torch.tensor([[4.0, 4.0, 15.0, 19.0], [0.0, 2.0, 9.0, 9.0], [8.0, 0.0, 31.0, 23.0]])
    for objects, part in zip(given.objects, boxes.split([2, 1]), strict=True):
        objects.gt_boxes.tensor = part
    ours = BoxProjection(weight=3.0)(given).losses["loss_prj"]
    boxinst = BoxSupervision(channel_order="RGB")(given).losses["loss_prj"]
    torch.testing.assert_close(ours, 3 * boxinst)


def test_trained_with_the_network_from_the_command_line() -> None:
    model, data = model_and_batch("boxinst", "smoke", 64, "losses=level-set")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert not data[0]["instances"].has("gt_masks")
    steps = logged(model, data, torch.float32, steps=3)
    guide = "mask_losses.level_set.guide.weight"
    assert not torch.equal(model.state_dict()[guide], before[guide])
    assert {"loss_prj", "loss_levelset"} < steps[0].keys()
    assert steps[-1]["total_loss"] < steps[0]["total_loss"]


def test_takes_the_place_of_boxinst_s_terms_under_a_teacher_too() -> None:
    words = ["method=boxinst", "losses=level-set", "scale=paper", "dataset=coco"]
    losses = compose(words).model["mask_losses"]
    assert set(losses) == {"projection", "level_set"}
    assert losses["level_set"]["channel_order"] == "BGR"
    taught = compose([*words, "copy_paste=peer"]).model["student"]["mask_losses"]
    assert set(taught) == {"projection", "level_set"}
