"""Ordinary copy-paste, without selection or learners (table 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from boxseg.copy_paste import OBJECT_FIELDS, TrainingSample
from boxseg.peer_copy_paste.bank import draw_index
from boxseg.peer_copy_paste.frames import moved
from boxseg.peer_copy_paste.occlusion import VisibilityRule, mask_areas, put_in_front
from boxseg.peer_copy_paste.seeded import SeededCopyPaste, count_pasted, require_share


class OrdinaryCopyPaste(SeededCopyPaste):
    """Copies a random subset of another image's objects, each to where it was.

    The other image is one of the batch, as the batch was given; its geometric augmentation is the
    batch's, and there is none besides. Every object with a pseudo mask is copied with probability
    `share`, whatever the mask's quality; parts that fall outside a smaller image are cut off, and
    an object of which less than `min_inside` remains is not pasted. Objects pasted together keep
    the masks that they had together. A batch of one image is returned as it is.

    Args:
        probability: of pasting per image.
        share: of the objects, on average.
        min_inside: share of a mask that must fall inside the image.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: a share outside [0, 1].
    """

    def __init__(
        self,
        probability: float = 0.5,
        share: float = 0.5,
        min_inside: float = 0.1,
        visibility: VisibilityRule | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(probability, visibility, seed)
        require_share("share", share)
        require_share("min_inside", min_inside)
        self.share = share
        self.min_inside = min_inside

    @torch.no_grad()
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste; see `CopyPaste`."""
        outcomes = [
            self.copied_into(sample, [*samples[:index], *samples[index + 1 :]])
            for index, sample in enumerate(samples)
        ]
        return outcomes, {"pastes": count_pasted(outcomes)}

    def copied_into(
        self, sample: TrainingSample, others: Sequence[TrainingSample]
    ) -> TrainingSample:
        """The sample with objects of another one in front, or the sample itself."""
        if not others or not self.happens(self.probability):
            return sample
        source = others[draw_index(len(others), self.generator)]
        drawn = torch.rand(len(source), generator=self.generator) < self.share
        copied = in_frame(source, sample.size, self.min_inside)
        copied = copied.objects(drawn.to(copied.valid.device) & copied.valid)
        return put_in_front(sample, copied, self.visibility) if len(copied) else sample


def in_frame(sample: TrainingSample, size: tuple[int, int], min_inside: float) -> TrainingSample:
    """Image and masks cut or filled with zeros to another size; boxes are left as they were.

    Objects are valid that were so, of which something is inside and at least `min_inside`.
    """
    masks = moved(sample.masks, (0, 0), size)
    before = mask_areas(sample.masks)
    inside = mask_areas(masks)
    values = {name: getattr(sample, name) for name in OBJECT_FIELDS}
    values["masks"] = masks
    values["valid"] = sample.valid & (inside > 0) & (inside >= min_inside * before)
    return TrainingSample(image=moved(sample.image, (0, 0), size), **values)
