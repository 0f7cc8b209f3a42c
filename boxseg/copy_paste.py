"""What a copy-paste augmentation is given and what it gives, for the images of a batch.

The training step knows these types and no copy-paste by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One image of the student's batch, after geometric augmentation and before that of colours.

    Attributes:
        image: uint8 (3, H, W).
        boxes: float32 (N, 4), XYXY in pixels; pixel column c covers c to c + 1.
        classes: int64 (N,).
        masks: bool (N, H, W), pseudo masks cut to the boxes; all False where not valid.
        quality: float32 (N,), of the pseudo masks, in [0, 1]; 0 where not valid.
        scores: float32 (N,), the detector's for what the pseudo mask was made of, in [0, 1]; where
            not valid they mean nothing.
        valid: bool (N,), the object has a pseudo mask.
        pasted: bool (N,), the object was copied from another image.
        unsure: bool (N, H, W), pixels of which the labeller knows neither that they are the
            object's nor that they are not; none of the masks'. None if there are none.

    Raises:
        ValueError: the numbers of objects or the sizes of image and masks differ.
    """

    image: Tensor
    boxes: Tensor
    classes: Tensor
    masks: Tensor
    quality: Tensor
    scores: Tensor
    valid: Tensor
    pasted: Tensor
    unsure: Tensor | None = None

    def __post_init__(self) -> None:
        counts = {name: len(getattr(self, name)) for name in OBJECT_FIELDS}
        if len(set(counts.values())) > 1:
            raise ValueError(f"one object each is expected of all fields, not {counts}")
        if self.unsure is not None and self.unsure.shape != self.masks.shape:
            raise ValueError(
                f"unsure pixels {tuple(self.unsure.shape)} do not fit {tuple(self.masks.shape)}"
            )
        if self.masks.shape[1:] != self.image.shape[1:]:
            raise ValueError(
                f"masks {tuple(self.masks.shape)} do not fit image {tuple(self.image.shape)}"
            )

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.boxes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, in pixels."""
        return self.image.shape[1], self.image.shape[2]

    def objects(self, which: Tensor) -> TrainingSample:
        """The same image with some of its objects: bool (N,) or int64 indices."""
        chosen = {name: getattr(self, name)[which] for name in OBJECT_FIELDS}
        unsure = None if self.unsure is None else self.unsure[which]
        return TrainingSample(image=self.image, **chosen, unsure=unsure)

    def with_objects_of(self, other: TrainingSample) -> TrainingSample:
        """The same image with the other sample's objects after its own."""

        def there(values: Tensor) -> Tensor:
            return values.to(self.boxes.device, non_blocking=True)

        both = {
            name: torch.cat([getattr(self, name), there(getattr(other, name))])
            for name in OBJECT_FIELDS
        }
        unsure = None
        if self.unsure is not None or other.unsure is not None:
            parts = (self.unsure, self.masks), (other.unsure, other.masks)
            unsure = torch.cat([there(torch.zeros_like(m) if u is None else u) for u, m in parts])
        return TrainingSample(image=self.image, **both, unsure=unsure)


OBJECT_FIELDS = tuple(
    field.name for field in fields(TrainingSample) if field.name not in ("image", "unsure")
)
"""Fields that every sample has, with one entry for each object."""


class CopyPaste(ABC):
    """Copies objects into the images of a batch.

    Its memory and its random generators are in its state, so that a resumed run goes on as an
    uninterrupted one.

    What it needs is declared, so that it can be read from the class before anything is built:

    Attributes:
        needs_other_images: it copies from the other images of the batch, so that a batch must have
            two or more.
    """

    needs_other_images: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste into a batch.

        Args:
            samples: not modified.
            iteration: of the training, from 1.

        Returns:
            The samples in their order, and statistics of this call: `pastes`, the number of
            objects pasted, and `bank_size`, of those that remember objects.
        """

    def state_dict(self) -> dict[str, Any]:
        """Tensors on the CPU, numbers, strings and containers of them; nothing by default."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - nothing to restore
        """Continue from what `state_dict` gave."""
