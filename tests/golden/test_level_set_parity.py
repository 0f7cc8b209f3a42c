"""Parity with the pieces of the released Box2Mask: projection, region term, consistency, trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.level_set import LevelSetLoss
from baselines.level_set.local_consistency import affinities, inconsistency, refined
from baselines.level_set.losses import IMAGE_SIGMA, resized, rounded_box_profiles
from baselines.level_set.region import (
    contour_length,
    phase_means,
    phases,
    region_energy,
    region_term,
)
from baselines.level_set.spanning_trees import SpanningTrees
from baselines.level_set.tree_filter import tree_filter
from boxseg.box_supervision import projection_loss
from tests.golden.files import Golden, each, each_piece, files, needs

PIECES = files("case6_box2mask_pieces")
QUERIES = files("case6_box2mask_t_model")

pytestmark = needs(PIECES, QUERIES)


@dataclass(frozen=True)
class Masks:
    """The file's N masks, and their boxes as masks."""

    golden: Golden
    logits: Tensor
    boxes: Tensor

    @staticmethod
    def of(file: Path) -> Masks:
        golden = Golden.load(file)
        logits = golden.tensor("in_logits")
        size = (logits.shape[1], logits.shape[2])
        rows, columns = rounded_box_profiles(golden.tensor("in_boxes").float(), size, size)
        return Masks(golden, logits.requires_grad_(), rows[:, :, None] * columns[:, None])

    def target(self, kind: str) -> Tensor:
        """What the regions should be uniform in, a copy for every object: (N, K, h, w)."""
        return self.golden.tensor(f"in_{kind}").expand(len(self.boxes), -1, -1, -1).clone()

    def assert_gradient(self, loss: Tensor, name: str) -> None:
        """Compare the gradient of a loss by the logits."""
        (gradient,) = torch.autograd.grad(loss, self.logits, retain_graph=True)
        assert_gradients(gradient, self.golden.arrays[name][:, 0])


def assert_gradients(ours: Tensor, theirs: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("file", each(PIECES))
def test_projection(file: Path) -> None:
    masks = Masks.of(file)
    losses = projection_loss(masks.logits, masks.boxes.amax(dim=2), masks.boxes.amax(dim=1))
    np.testing.assert_allclose(losses.detach(), masks.golden.arrays["proj_loss"], rtol=1e-4)
    masks.assert_gradient(losses.mean(), "proj_grad")


@pytest.mark.parametrize(("file", "kind"), each_piece(PIECES, "lse_", "_energy"))
def test_region_term(file: Path, kind: str) -> None:
    masks = Masks.of(file)
    arrays = masks.golden.arrays
    probabilities, target = masks.logits.sigmoid(), masks.target(kind).requires_grad_()
    for phase, side in zip(phases(probabilities, masks.boxes), ("in", "out"), strict=True):
        means = phase_means(target * masks.boxes[:, None], phase).detach()
        np.testing.assert_allclose(means, arrays[f"lse_{kind}_c_{side}"], rtol=1e-4, atol=1e-6)
    energy = region_energy(probabilities, masks.boxes, target)
    np.testing.assert_allclose(energy.detach(), arrays[f"lse_{kind}_energy"], rtol=1e-4)
    losses = region_term(probabilities, masks.boxes, target)
    np.testing.assert_allclose(losses.detach(), arrays[f"lse_{kind}_loss"], rtol=1e-4)
    masks.assert_gradient(losses.mean(), f"lse_{kind}_grad_logits")
    (gradient,) = torch.autograd.grad(losses.mean(), target)
    # All that is summed cancels but for rounding.
    np.testing.assert_allclose(
        gradient.sum(dim=(2, 3)),
        arrays[f"lse_{kind}_grad_target_sum"],
        atol=1e-4 * float(gradient.abs().max()),
    )


@pytest.mark.parametrize(("file", "kind"), each_piece(PIECES, "lse_", "_loss_with_length"))
def test_length(file: Path, kind: str) -> None:
    masks = Masks.of(file)
    arrays, probabilities = masks.golden.arrays, masks.logits.sigmoid().detach()
    length = contour_length(probabilities, masks.boxes)
    np.testing.assert_allclose(length, arrays["length"], rtol=1e-4)
    np.testing.assert_array_equal(masks.boxes.sum(dim=(1, 2)), arrays["pixel_num"])
    weight = float(masks.golden.told("steps", r"loss \+ (\S+) \* length"))
    losses = region_term(probabilities, masks.boxes, masks.target(kind), weight)
    np.testing.assert_allclose(losses, arrays[f"lse_{kind}_loss_with_length"], rtol=1e-6)
    without = region_term(probabilities, masks.boxes, masks.target(kind))
    assert not np.allclose(without, losses, rtol=1e-6)


@pytest.mark.parametrize("file", each(PIECES))
def test_local_consistency(file: Path) -> None:
    masks = Masks.of(file)
    arrays, probabilities = masks.golden.arrays, masks.logits.sigmoid()[None]
    affinity = affinities(masks.golden.tensor("in_image"))
    np.testing.assert_allclose(affinity[0], arrays["lcm_affinity"], atol=2e-4)
    fine = refined(probabilities, affinity)[0].detach()
    np.testing.assert_allclose(fine, arrays["lcm_refined"][:, 0], atol=2e-4)
    change = inconsistency(probabilities, affinity, masks.boxes[None])
    loss = change.sum() / masks.boxes.sum()
    assert loss.item() == pytest.approx(float(arrays["lcm_loss"]), rel=1e-4)
    masks.assert_gradient(loss, "lcm_grad")


@pytest.mark.parametrize("file", each(PIECES))
def test_resize(file: Path) -> None:
    golden = Golden.load(file)
    expected = golden.arrays["resize_out"]
    ours = resized(golden.tensor("in_logits")[:, None].sigmoid(), expected.shape[-2:])
    np.testing.assert_allclose(ours, expected, atol=2e-4)


@pytest.mark.parametrize(("file", "kind"), each_piece(PIECES, "tree_", "_cotangent"))
def test_tree_filter(file: Path, kind: str) -> None:
    golden = Golden.load(file)

    def array(name: str) -> NDArray[np.float32]:
        return golden.arrays[f"tree_{kind}_{name}"]

    guide = golden.tensor(f"tree_{kind}_guide").requires_grad_()
    trees = SpanningTrees.of(guide)
    parents = trees.parents.numpy()
    cells = np.arange(len(parents))
    edges = np.sort(np.stack((cells, parents), axis=1)[parents != cells], axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    theirs = np.lexsort((array("edges")[:, 1], array("edges")[:, 0]))
    np.testing.assert_array_equal(edges[order], array("edges")[theirs])
    distances = trees.edge_distances(guide).detach().numpy()[parents != cells]
    np.testing.assert_allclose(
        distances[order], array("edge_distance")[theirs], rtol=1e-5, atol=1e-12
    )
    maps = golden.tensor(f"tree_{kind}_in").transpose(0, 1).requires_grad_()
    filtered = tree_filter(maps, guide, IMAGE_SIGMA if kind == "image" else 1.0)
    np.testing.assert_allclose(filtered.detach()[0], array("out")[:, 0], atol=2e-6)
    cotangent = golden.tensor(f"tree_{kind}_cotangent").transpose(0, 1)
    of_maps, of_guide = torch.autograd.grad((filtered * cotangent).sum(), (maps, guide))
    assert_gradients(of_maps[0], array("grad_in")[:, 0])
    if kind == "features":  # the image has none in the published code
        assert_gradients(of_guide, array("grad_guide"))


@pytest.mark.parametrize("file", each(PIECES))
def test_rounded_boxes(file: Path) -> None:
    golden = Golden.load(file)
    size = (golden.meta["config"]["height"], golden.meta["config"]["width"])
    rows, columns = rounded_box_profiles(golden.tensor("boxmask_boxes"), size, size)
    ours = rows[:, :, None] * columns[:, None]
    np.testing.assert_array_equal(ours, golden.bits("boxmask_packed", size[1]).float())


@pytest.mark.parametrize("file", each(QUERIES))
def test_terms_of_the_last_prediction_set(file: Path) -> None:
    golden = Golden.load(file)
    config = golden.meta["config"]
    feature, logits = golden.tensor("levelset_feature"), golden.tensor("last_mask_logits")
    tree_size = int(golden.told("steps", r"all resized to (\d+)x\1"))
    loss = LevelSetLoss(
        1,
        guide_channels=1,
        tree_size=(tree_size, tree_size),
        pixel_mean=config["mean"],
        pixel_std=config["std"],
        channel_order=config["channel_order"],
    )
    loss.guide = nn.Identity()  # the file has the guide itself
    padded = (config["padded"][0], config["padded"][1])
    last = config["decoder_layers"]
    images, probabilities, boxes, index = [], [], [], []
    for number in range(len(config["sizes"])):
        image = golden.tensor(f"in{number}_image").float()
        margin = (0, padded[1] - image.shape[2], 0, padded[0] - image.shape[1])
        images.append(F.pad(image, margin, value=config["pad_value"]))
        objects = golden.tensor(f"layer{last}_assigned{number}").long()
        matched = (objects >= 0).nonzero()[:, 0]
        size = (logits.shape[2], logits.shape[3])
        rows, columns = rounded_box_profiles(golden.tensor(f"in{number}_boxes"), padded, size)
        boxes.append((rows[:, :, None] * columns[:, None])[objects[matched]])
        probabilities.append(logits[number, matched].sigmoid())
        index += [number] * len(matched)
    colors = loss.normalised(torch.stack(images), [padded] * len(images))
    terms = loss.terms(
        torch.cat(probabilities), torch.cat(boxes), torch.tensor(index), colors, feature
    )
    arrays = golden.arrays
    image, features = terms.image.mean().item(), terms.features.mean().item()
    consistency = terms.inconsistency.sum() / terms.box_pixels.sum()
    assert image == pytest.approx(float(arrays[f"layer{last}_region_image_mean"]), rel=1e-4)
    assert features == pytest.approx(float(arrays[f"layer{last}_region_features_mean"]), rel=1e-3)
    assert consistency.item() == pytest.approx(float(arrays[f"layer{last}_lcm"]), rel=1e-4)
    total = loss.image_weight * image + loss.features_weight * features
    total += loss.consistency_weight * consistency.item()
    assert total == pytest.approx(float(arrays["loss_levelset"]), rel=1e-3)
