"""SIM in the teacher-student step: shared features, unsure pixels, whose detections are given."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from boxseg.copy_paste import TrainingSample
from boxseg.data.dataset import Split
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import SharedImageMapper
from boxseg.data.records import load_records
from boxseg.errors import InputError
from boxseg.mask_losses import MaskPredictions
from boxseg.pseudo_mask_losses import PseudoMaskAffinity, PseudoMaskDice
from boxseg.teacher_frame import SharedImage, StudentFrame
from boxseg.teacher_student import TeacherStudent
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.run.data import dataset_of
from tests import taught_masks
from tests.peer_copy_paste.scenes import sample_with
from tests.taught_masks import labelled


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = tmp_path_factory.mktemp("data")
    return dataset_of(compose(["scale=smoke", f"data_dir='{folder}'"])).split("train")


def batch_of(split: Split) -> list[dict[str, Any]]:
    records = [r for r in load_records(split, True).records if r["annotations"]]
    mapper = SharedImageMapper(ImageReader("RGB"), [48, 64], 64, True, True)
    return [mapper(r, np.random.default_rng([0, i])) for i, r in enumerate(records[:4])]


def model_of(*words: str) -> TeacherStudent:
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", "method=sim", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model.train()


def losses_of(model: TeacherStudent, batch: list[dict[str, Any]], steps: int = 3) -> list[float]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.student.parameters(), 0.001)
    totals = []
    for iteration in range(1, steps + 1):
        model.before_step(iteration)
        total = torch.stack(list(model(copy.deepcopy(batch), iteration).losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    return totals


def test_true_masks_reach_no_loss(split: Split) -> None:
    batch = batch_of(split)
    corrupted = copy.deepcopy(batch)
    for x in corrupted:
        assert not x["instances"].has("gt_masks")
        x["diagnostic_masks"] = ~x["diagnostic_masks"]
    assert losses_of(model_of(), corrupted) == losses_of(model_of(), batch)


def test_features_are_computed_again_only_where_something_was_pasted(split: Split) -> None:
    model, batch = model_of(), batch_of(split)
    with torch.no_grad():
        proposed = SharedImage()(model.teacher, batch)
    samples = [sample_with([], tuple(x["image"].shape[1:])) for x in batch]
    samples = [replace(s, image=x["image"]) for s, x in zip(samples, batch, strict=True)]
    samples[1] = replace(samples[1], image=255 - samples[1].image)
    same = [True, False, True, True]
    found = model.teacher_features(batch, proposed, samples, same)
    known = proposed[0].internals.mask_features
    for index, maps in enumerate(found):
        assert (maps.data_ptr() == known[index].data_ptr()) == same[index]
    again = model.teacher_features(batch, proposed, samples, [False] * 4)
    for index, maps in enumerate(again):
        height, width = (min(s) for s in zip(maps.shape[1:], found[index].shape[1:], strict=True))
        torch.testing.assert_close(
            maps[:, :height, :width], found[index][:, :height, :width], rtol=1e-3, atol=1e-4
        )
    assert not torch.allclose(found[1], known[1], atol=0.1)


def test_labels_at_every_pixel_come_without_features(split: Split) -> None:
    batch = batch_of(split)
    predicted, _ = StudentFrame(64, 64)(model_of().teacher, batch)
    assert predicted.internals is None


def test_whose_detections_are_given() -> None:
    model = model_of().eval()
    for role in ("teacher", "student"):
        getattr(model, role).detect = lambda batch, role=role: role  # type: ignore[method-assign]
    assert model([]) == "student"
    model.inference = "teacher"
    assert model([]) == "teacher"
    with pytest.raises(InputError, match="set it to teacher or student"):
        model_of("step.inference=nobody")


def test_unsure_pixels_of_samples() -> None:
    sample = sample_with([[0, 0, 2, 2], [1, 1, 3, 3]], (4, 4))
    unsure = ~sample.masks
    ours = replace(sample, unsure=unsure)
    assert torch.equal(ours.objects(torch.tensor([1])).unsure, unsure[1:])
    joined = sample.with_objects_of(ours).unsure
    assert joined is not None
    assert not joined[:2].any()  # those of whom nothing is said are sure
    assert torch.equal(joined[2:], unsure)
    assert sample.with_objects_of(sample).unsure is None
    with pytest.raises(ValueError, match="unsure pixels"):
        TrainingSample(**{**vars(sample), "unsure": unsure[:1]})


def predictions(unsure: list[int] | None, width: int = 4) -> MaskPredictions:
    """One object, whose box fills one row of mask pixels, and whose pseudo mask is the first."""
    sample = labelled(
        torch.tensor([[0.0, 0.0, 4.0 * width, 4.0]]),
        torch.arange(width)[None, None] == 0,
        stride=4,
        unsure=None if unsure is None else torch.tensor(unsure)[None, None],
    )
    return taught_masks.predictions(torch.zeros(1, 1, width), [0], [sample], 4, iteration=1)


def test_losses_on_pseudo_masks_leave_unsure_pixels_out() -> None:
    # Probabilities 0.5, mask (1, 0, 0, 0): Dice 1 - 2 x 0.5 / (4 x 0.25 + 1) = 0.5; without the
    # last two pixels 1 - 1 / (2 x 0.25 + 1) = 1/3.
    dice = PseudoMaskDice(1.0, 0)
    wholes = [dice(predictions(u)).losses["loss_mask"].item() for u in (None, [0, 0, 1, 1])]
    assert wholes == pytest.approx([1 / 2, 1 / 3], rel=1e-4)
    # Horizontal pairs (0, 2) and (1, 3), of which the mask joins only the second; it costs ln 2.
    affinity = PseudoMaskAffinity(1.0, 0, bottom_rows_removed=0)
    terms = [
        affinity(predictions(u)).losses["loss_mask_affinity"].item() for u in (None, [0, 0, 0, 1])
    ]
    assert terms == pytest.approx([0.693147, 0.0], abs=1e-5)
