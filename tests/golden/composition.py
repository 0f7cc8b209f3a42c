"""The released methods as our YAML composes them, around the golden files' small student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boxseg.box_masks import box_profiles
from boxseg.condinst import CondInst
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.configuration.run_configuration import RunConfiguration
from tests.golden.files import Golden


def configuration(golden: Golden, method: str, *words: str) -> RunConfiguration:
    """A method's configuration at paper scale, but for the teacher's images and the colours."""
    settings = golden.section("BOX_TEACHER", {})
    sides = [golden.setting(f"INPUT.{name}_SIZE_TEST") for name in ("MIN", "MAX")]
    common = [
        "scale=paper",
        "dataset=coco",
        f"method={method}",
        f"images.test_short_side={sides[0]}",
        f"images.max_side={sides[1]}",
        f"model.max_momentum={settings['MOMENTUM']}",
    ]
    if not settings["USE_AUG"]:
        common.append("model.colors=null")
    return compose([*common, *words])


def around(student: CondInst, config: RunConfiguration) -> TeacherStudent:
    """A configuration's teacher-student step with another student, in training mode."""
    model = build(config.model, student=student)
    assert isinstance(model, TeacherStudent)
    return model.train()


def batch_of(golden: Golden, objects: str) -> list[dict[str, Any]]:
    """The images of a file for the teacher-student step, with the objects of this prefix."""
    batch = golden.inputs(objects=objects)
    for x in batch:
        x["student_view"] = View(*x["image"].shape[1:])
    return batch


class Recorder(CopyPaste):
    """A copy-paste, or none, that keeps what it was given and what it gave."""

    def __init__(self, copy_paste: CopyPaste | None) -> None:
        self.copy_paste = copy_paste
        self.given: Sequence[TrainingSample] = ()
        self.made: Sequence[TrainingSample] = ()

    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        made, statistics = list(samples), {}
        if self.copy_paste is not None:
            made, statistics = self.copy_paste(samples, iteration)
        self.given, self.made = samples, made
        return made, statistics


def assert_labelled(golden: Golden, prefix: str, quality: str, sample: TrainingSample) -> None:
    """The pseudo masks of this prefix and their quality, an array of this name."""
    # The released labellers cut their masks to the boxes only in the loss.
    rows, columns = box_profiles(sample.boxes, 1, *sample.size)
    theirs = golden.bits(prefix + "masks_packed", sample.size[1])
    theirs = theirs & rows[:, :, None] & columns[:, None]
    assert (sample.masks != theirs).float().mean() <= 1e-3
    expected = golden.arrays[prefix + quality]
    np.testing.assert_array_equal(sample.valid, expected > 0)
    np.testing.assert_allclose(sample.quality, expected, atol=2e-4)
