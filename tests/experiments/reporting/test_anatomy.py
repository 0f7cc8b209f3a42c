"""Looking into a run: the arrays are those that the module itself computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boxseg.errors import InputError
from experiments.reporting.anatomy import (
    TrainedTeacher,
    paste_anatomy,
    paste_figure,
    quality_anatomy,
    quality_figure,
    trained_teacher,
)
from tests.experiments.command_line import trained

LOW = {"min_quality": 0.0, "min_score": 0.0}


@pytest.fixture(scope="module")
def teacher(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedTeacher:
    """A short run in which every candidate and every pixel counts, so that there are some."""
    words = (
        "method=boxseg",
        "images.iterations_1x=24",
        "segmenter.detector.score_threshold=0.0",
        "pseudo_labels.fusion.score_threshold=0.0",
        "pseudo_labels.mask_threshold=0.0",
        "pseudo_labels.scoring.pixel_threshold=0.0",
    )
    return trained_teacher(trained(tmp_path_factory.mktemp("runs") / "boxseg", *words))


def test_the_fused_mask_is_the_candidates_weighted_mean(teacher: TrainedTeacher) -> None:
    found = quality_anatomy(teacher, 0)
    assert 2 <= len(found.candidates) <= found.asked <= 10
    weights = np.array([one.weight for one in found.candidates])
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    # Eq. 2: weights are in proportion to sqrt(s u).
    quality = np.array([(one.score * one.box_iou) ** 0.5 for one in found.candidates])
    np.testing.assert_allclose(weights, quality / quality.sum(), atol=1e-5)
    masks = np.stack([one.probabilities for one in found.candidates])
    fused = np.tensordot(weights, masks, axes=1)
    assert found.quality > 0
    np.testing.assert_allclose(found.fused, fused, atol=1e-5)
    ious = [one.box_iou for one in found.candidates]
    assert ious == sorted(ious, reverse=True)
    assert 1 <= found.places <= len(found.candidates)


def test_the_pseudo_mask_lies_in_the_box_and_is_compared_with_the_true_one(
    teacher: TrainedTeacher,
) -> None:
    found = quality_anatomy(teacher, 0)
    assert found.image.shape == (64, 64, 3)
    assert found.pseudo_mask.shape == found.fused.shape == (16, 16)
    rows, columns = found.pseudo_mask.nonzero()
    x0, y0, x1, y1 = found.box
    assert (4 * columns + 2 >= x0 - 1).all() and (4 * columns + 2 <= x1 + 1).all()
    assert (4 * rows + 2 >= y0 - 1).all() and (4 * rows + 2 <= y1 + 1).all()
    assert found.true_mask is not None
    common = (found.pseudo_mask & found.true_mask).sum()
    either = (found.pseudo_mask | found.true_mask).sum()
    assert found.true_iou == pytest.approx(common / either, abs=1e-6)


def test_the_tutor_is_pasted_in_front(teacher: TrainedTeacher) -> None:
    bank_before = teacher.model.copy_paste.state_dict()["bank"]  # type: ignore[union-attr]
    found = paste_anatomy(teacher, range(16), **LOW)
    assert found.learner_image != found.tutor_image
    assert not found.before.pasted.any()
    assert found.after.pasted.tolist()[-1] and found.after.pasted.sum() == 1
    qualities = found.source.qualities[found.tutor]
    assert found.after.qualities[-1] == pytest.approx(qualities)
    assert found.after.class_names[-1] == found.source.class_names[found.tutor]
    front = found.after.masks[-1]
    # Outside the tutor's mask the image is as it was; the masks below are cut there.
    assert (found.after.pixels[~front] == found.before.pixels[~front]).all()
    assert not (found.after.masks[:-1] & front).any()
    # What is pasted are the tutor's own pixels.
    whole = found.source.pixels[found.source.masks[found.tutor]]
    assert sorted(map(tuple, found.after.pixels[front])) == sorted(map(tuple, whole))
    after = teacher.model.copy_paste.state_dict()["bank"]  # type: ignore[union-attr]
    assert len(after["tutors"]) == len(bank_before["tutors"])


def test_tutors_are_ranked_by_quality_and_the_seed_places_them(teacher: TrainedTeacher) -> None:
    best, second = (paste_anatomy(teacher, range(16), number=n, **LOW) for n in (0, 1))
    assert best.after.qualities[-1] >= second.after.qualities[-1]
    again = paste_anatomy(teacher, range(16), **LOW)
    np.testing.assert_array_equal(best.after.pixels, again.after.pixels)


def test_the_figures_say_what_they_show(teacher: TrainedTeacher) -> None:
    found = quality_anatomy(teacher, 0)
    figure = quality_figure(found)
    assert f"its quality is {found.quality:.2f}" in figure.alt
    assert f"{len(found.candidates)} of {found.asked} candidates" in figure.caption
    assert figure.png == quality_figure(found).png
    pasted = paste_figure(paste_anatomy(teacher, range(16), **LOW))
    assert "is copied from one image and pasted" in pasted.alt
    assert pasted.svg.startswith("<svg")


def test_what_cannot_be_looked_into_is_refused(
    teacher: TrainedTeacher, finished: Path, data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no teacher to look into"):
        trained_teacher(finished)
    with pytest.raises(InputError, match=r"no training image 99; choose from 0 to"):
        quality_anatomy(teacher, 99)
    with pytest.raises(InputError, match="has no object 50"):
        quality_anatomy(teacher, 0, 50)
    with pytest.raises(InputError, match="objects are good enough for a tutor"):
        paste_anatomy(teacher, range(4), min_quality=1.0)
    other = trained_teacher(trained(tmp_path / "boxteacher", "method=boxteacher"))
    with pytest.raises(InputError, match="not made by the quality-aware module"):
        quality_anatomy(other, 0)
    with pytest.raises(InputError, match="no peer-assisted copy-paste"):
        paste_anatomy(other, range(4))
