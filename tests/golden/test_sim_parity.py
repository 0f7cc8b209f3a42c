"""Parity with the released SIM, network and all: losses, gradients, labels, prototypes, bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from boxseg.box_supervision import color_similarities, supervised_area
from tests.golden.comparison import (
    COLOR_SIMILARITY,
    SOFT_MAP,
    assert_gradients,
    assert_losses,
)
from tests.golden.files import Golden, each, each_case, files, needs
from tests.golden.sim import RecordingCopyPaste, losses_of, released_sim, told
from tests.golden.test_parity import all_neighbours

FILES = files("case5_sim_model")
STRIDE = 4

pytestmark = needs(FILES, files("case2_boxinst"))


@pytest.mark.parametrize(("file", "case"), each_case(FILES))
def test_losses_gradients_prototypes_and_slow_network(file: Path, case: str) -> None:
    golden = Golden.load(file)
    model = released_sim(golden, case)
    losses = losses_of(golden, case, model)
    assert_losses(golden, case, losses)
    wanted = golden.arrays[f"{case}_prototypes_out"]
    np.testing.assert_allclose(model.prototypes.prototypes, wanted, rtol=1e-4, atol=1e-6)
    assert len(model.prototypes.assignment.indices) == 0  # all that were drawn were needed
    slow = golden.arrays[f"{case}_ema_controller_weight_after_head"]
    np.testing.assert_allclose(model.slow.controller.weight[: len(slow)], slow, rtol=1e-5)
    assert_gradients(golden, case, losses, model.student)


def labelled(file: Path) -> tuple[Golden, str]:
    """A file, and its case whose labels are stored: the first beyond the start without a paste."""
    golden = Golden.load(file)
    cases = [c for c in golden.meta["cases"] if told(golden, c)[0] >= 10_000]
    return golden, next(c for c in cases if not told(golden, c)[1])


@pytest.mark.parametrize("file", each(FILES))
def test_maps_and_corrected_labels(file: Path) -> None:
    golden, case = labelled(file)
    model = released_sim(golden, case)
    label, made = model.label, []
    model.label = lambda *given: made.append(label(*given)) or made[-1]
    losses = losses_of(golden, case, model)
    index = golden.tensor(f"{case}_kept_gt_inds").long()
    order = index.argsort(stable=True)
    width = golden.arrays["proto_similarity_max"].shape[-1]

    [(features, similarities, regions, _, _)] = model.prototypes.taught
    np.testing.assert_allclose(
        features.permute(0, 2, 3, 1), golden.arrays["student_feat_normalised_nhwd"], atol=SOFT_MAP
    )
    np.testing.assert_allclose(
        similarities.amax(dim=1), golden.arrays["proto_similarity_max"][order], atol=SOFT_MAP
    )
    assert torch.equal(regions, golden.bits("region_packed", width)[order])

    ((targets, _),) = made
    sure = targets.boxes & ~targets.unsure
    assert torch.equal(targets.masks[index], golden.bits("pseudo_target_packed", width))
    assert torch.equal(sure[index], golden.bits("pseudo_weight_packed", width))
    ramp = 0.3 * min((told(golden, case)[0] + 1) / 270_000, 1)
    focal = float(golden.arrays["pseudo_focal_unscaled"])
    assert losses["loss_pseudo"].item() == pytest.approx(ramp * focal, rel=1e-4)


@pytest.mark.parametrize("file", each(FILES))
def test_what_is_remembered(file: Path) -> None:
    golden, case = labelled(file)
    model = released_sim(golden, case)
    losses_of(golden, case, model)
    bank = list(model.copy_paste.bank)
    assert len(bank) == int(golden.arrays["n_paste_data"])
    same = all(entry is bank[-1] for entry in bank)
    assert same == bool(golden.arrays["paste_data_same_object"])
    images, objects, instance = model.copy_paste.remembered
    maps = instance.split([len(o) for o in objects])
    for index, wanted in enumerate(golden.pieces("bankmask", "_packed")):
        alone = RecordingCopyPaste(1)
        one = slice(index, index + 1)
        alone.remember(images[one], objects[one], maps[index])
        masks = golden.bits(f"bankmask{wanted}_packed", images.shape[3])
        assert (alone.bank[0].masks != masks).float().mean() <= 1e-3
        scores = golden.arrays[f"bankscore{wanted}"]
        np.testing.assert_allclose(alone.bank[0].scores, scores, rtol=1e-4)
    assert torch.equal(bank[-1].masks, alone.bank[0].masks)


@pytest.mark.parametrize("file", each(FILES))
def test_paste_within_the_model(file: Path) -> None:
    golden = Golden.load(file)
    case = next(c for c in golden.meta["cases"] if told(golden, c)[1])
    model = released_sim(golden, case)
    batch = model.copy_paste(golden.inputs(), model.student.backbone.size_divisibility)
    images = torch.stack([x["image"] for x in batch]).float()
    height, width = (side // STRIDE for side in images.shape[2:])
    sizes = [x["unpadded_size"] for x in batch]
    removed = golden.section("BOXINST", {})["BOTTOM_PIXELS_REMOVED"]
    area = supervised_area(
        sizes, [x["height"] for x in batch], removed, STRIDE, height, width, images.device
    )
    colors = all_neighbours(color_similarities(images.flip(1), STRIDE, 2), area)
    for index, x in enumerate(batch):
        objects, prefix = x["instances"], f"pasted{index}"
        np.testing.assert_array_equal(objects.gt_boxes.tensor, golden.arrays[f"{prefix}_boxes"])
        np.testing.assert_array_equal(objects.gt_classes, golden.arrays[f"{prefix}_classes"])
        np.testing.assert_array_equal(objects.pasted.float(), golden.arrays[f"{prefix}_indicator"])
        masks = objects.visible_masks[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        assert torch.equal(masks, golden.bits(f"{prefix}_bitmasks4_packed", width))
        wanted = golden.arrays[f"{prefix}_color_similarity"]
        np.testing.assert_allclose(colors[index], wanted, atol=COLOR_SIMILARITY)
