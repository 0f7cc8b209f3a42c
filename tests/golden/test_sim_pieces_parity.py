"""Parity of SIM's parts with the released code's: Sinkhorn, prototypes, losses, copy-paste."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.sim.losses import feature_similarities, focal_pixels
from baselines.sim.prototypes import SinkhornAssignment, unit_features
from baselines.sim.released import twice_sigmoid_focal_pixels
from baselines.sim.released_copy_paste import ReleasedImageCopyPaste
from boxseg.mask_losses import dice_loss
from boxseg.peer_copy_paste.placement import moved
from tests.golden.files import Golden, each, files, needs
from tests.golden.sim import bank_images, prototypes_of
from tests.golden.test_parity import all_neighbours

FILES = files("case5_sim_pieces")
MODELS = files("case5_sim_model")
STRIDE = 4

pytestmark = needs(FILES, MODELS)


def model_of(file: Path) -> Golden:
    """The model file of the same variant, which has the images."""
    return Golden.load(file.with_name(file.name.replace("pieces", "model")))


@pytest.mark.parametrize("file", each(FILES))
def test_sinkhorn(file: Path) -> None:
    golden = Golden.load(file)
    assignment = SinkhornAssignment()
    given = golden.tensor("sk_in")
    # Two classes with the same pixels: neither notices the other.
    twice, classes = torch.cat((given, given)), torch.arange(2).repeat_interleave(len(given))
    soft = assignment.probabilities(twice, classes, 2)
    for part in soft.split(len(given)):
        np.testing.assert_allclose(part, golden.arrays["sk_soft_assignment"], rtol=1e-4, atol=1e-7)
    expected = golden.arrays["sk_argmax"].tolist()
    assert assignment(twice, classes, 2).tolist() == expected * 2


def taught(golden: Golden, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities of all instances, and the prototypes after all images."""
    prototypes = prototypes_of(golden.tensor("pl_prototypes_in"), indices)
    np.testing.assert_allclose(
        prototypes.prototypes, golden.arrays["pl_prototypes_normalised"], rtol=1e-5
    )
    features = golden.tensor("pl_feat_in")
    units = unit_features(features, (features.shape[2], features.shape[3]))
    np.testing.assert_allclose(
        units.permute(0, 2, 3, 1), golden.arrays["pl_feat_normalised_nhwd"], atol=1e-6
    )
    images, labels = golden.tensor("pl_im_inds"), golden.tensor("pl_labels").long()
    regions = golden.tensor("pl_region") > 0
    counts = [int((images == index).sum()) for index in range(len(units))]
    similarities = prototypes.similarities(units, labels, counts)
    prototypes.learn(units, similarities, regions, labels, images.long())
    return similarities, prototypes.prototypes


@pytest.mark.parametrize("kind", ["gumbel", "argmax"])
@pytest.mark.parametrize("file", each(FILES))
def test_prototype_step(file: Path, kind: str) -> None:
    golden = Golden.load(file)
    maps, prototypes = taught(golden, golden.tensor(f"pl_{kind}_assign"))
    np.testing.assert_allclose(maps, golden.arrays["pl_proto_similarity"], rtol=1e-4, atol=1e-6)
    wanted = golden.arrays[f"pl_{kind}_prototypes_out"]
    np.testing.assert_allclose(prototypes, wanted, rtol=1e-4, atol=1e-6)
    # Wrong indices would be noticed.
    _, others = taught(golden, golden.tensor(f"pl_{kind}_assign").roll(1))
    assert not np.allclose(others, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("file", each(FILES))
def test_our_assignment_is_the_argmax_variant(file: Path) -> None:
    golden = Golden.load(file)
    prototypes = prototypes_of(golden.tensor("pl_prototypes_in"), torch.zeros(0))
    prototypes.assignment = SinkhornAssignment()
    images, labels = golden.tensor("pl_im_inds"), golden.tensor("pl_labels").long()
    maps, regions = golden.tensor("pl_proto_similarity"), golden.tensor("pl_region") > 0
    units = golden.tensor("pl_feat_normalised_nhwd").permute(0, 3, 1, 2)
    prototypes.learn(units, maps, regions, labels, images.long())
    wanted = golden.arrays["pl_argmax_prototypes_out"]
    np.testing.assert_allclose(prototypes.prototypes, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("file", each(FILES))
def test_feature_similarity(file: Path) -> None:
    golden = Golden.load(file)
    features = golden.tensor("feat_similarity_in")
    size = (features.shape[2], features.shape[3])
    # Given at the masks' stride, neighbours are two cells apart, and ours is exp(-L2 / 2).
    pairs = [pair**2 for pair in feature_similarities(features, size, 2)]
    ours = all_neighbours(pairs, torch.ones(len(features), *size, dtype=torch.bool))
    wanted = golden.arrays["feat_similarity_out"]
    # Outside, the released code compares with zeros; there is no pair there for us.
    inside = all_neighbours([torch.ones_like(p) for p in pairs], torch.ones(1, *size).bool()) > 0
    np.testing.assert_allclose(ours[inside], wanted[inside.numpy()], rtol=1e-4)


@pytest.mark.parametrize("file", each(FILES))
def test_mask_focal_loss_and_gradient(file: Path) -> None:
    golden = Golden.load(file)
    given, targets, weights = (golden.tensor(f"focal_{name}") for name in "xtw")
    probabilities = given.clone().requires_grad_()
    losses = twice_sigmoid_focal_pixels(probabilities.logit(), targets)
    loss = (losses * weights).sum() / (weights.sum() + 1)
    assert loss.item() == pytest.approx(float(golden.arrays["focal_loss"]), rel=1e-4)
    loss.backward()
    np.testing.assert_allclose(
        probabilities.grad, golden.arrays["focal_grad"], rtol=1e-3, atol=1e-7
    )
    # Without the second sigmoid what is certain and right costs nothing.
    assert focal_pixels(torch.tensor([20.0]), torch.ones(1)) < 1e-9
    assert twice_sigmoid_focal_pixels(torch.tensor([0.0]), torch.ones(1)) > 0.02


@pytest.mark.parametrize("file", each(FILES))
def test_weighted_dice(file: Path) -> None:
    golden = Golden.load(file)
    given, targets, weights = (golden.tensor(f"focal_{name}") for name in "xtw")
    plain = dice_loss(given, targets)
    np.testing.assert_allclose(plain, golden.arrays["wdice_per_instance_unweighted"], rtol=1e-4)
    # As in `DilutedPastedMaskLoss`: an instance of weight 0 counts 1.
    mean = dice_loss(given * weights, targets * weights).mean().item()
    assert mean == pytest.approx(float(golden.arrays["wdice_loss"]), rel=1e-4)


CASES = [
    pytest.param(file, case, id=f"{file.stem}-{case}")
    for file in FILES
    for case in sorted({step["case"] for step in Golden.load(file).meta["copypaste_trace"]})
]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_copy_paste(file: Path, case: int) -> None:
    golden = Golden.load(file)
    trace = [t for t in golden.meta["copypaste_trace"] if t["case"] == case]
    batch = model_of(file).inputs()
    if trace[0]["image_order"] == "swapped":
        batch.reverse()
    copy_paste = ReleasedImageCopyPaste(len(bank_images(golden, f"cp{case}_bank")))
    copy_paste.bank.extend(bank_images(golden, f"cp{case}_bank"))
    copy_paste.numbers.seed(trace[0]["seed"])
    size = golden.arrays[f"cp{case}_out0_image"].shape[1:]
    for index, x in enumerate(batch):
        outcome, prefix = copy_paste.pasted(x, size), f"cp{case}_out{index}"
        objects = outcome["instances"]
        assert trace[index]["n_out"] == len(objects)
        np.testing.assert_array_equal(outcome["image"], golden.arrays[f"{prefix}_image"])
        np.testing.assert_array_equal(objects.gt_boxes.tensor, golden.arrays[f"{prefix}_boxes"])
        np.testing.assert_array_equal(objects.gt_classes, golden.arrays[f"{prefix}_classes"])
        assert objects.pasted.float().tolist() == trace[index]["indicator"]
        masks = objects.visible_masks
        assert torch.equal(masks, golden.bits(f"{prefix}_masks_packed", size[1]))
        sampled = masks[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        assert torch.equal(sampled, golden.bits(f"{prefix}_bitmasks4_packed", size[1] // STRIDE))
        below = moved(x["image"], (0, 0), size)
        front = masks[objects.pasted].any(dim=0)
        assert torch.equal(outcome["image"][:, ~front], below[:, ~front])
