"""An image's masks as run-length encodings: a dense mask costs a byte for every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
import torch
from pycocotools import mask as run_length
from torch import Tensor

PIXELS_AT_ONCE = 1 << 25
"""Of all dense masks that are worked on together; float32 ones take 128 MiB.

A hundred masks of a COCO image still are one chunk.
"""


class EncodedMasks:
    """K masks of one image, in the form that predictions are saved in.

    A field of Detectron2's `Instances`: it has a length, is indexed like a tensor's first dimension
    and concatenated. It stays in the host's memory wherever the other fields are. Iterating and
    indexing by one number give dense masks, bool (H, W), one at a time.

    Args:
        size: (H, W).
        counts: of every mask, COCO's compressed ones (column by column).
    """

    def __init__(self, size: tuple[int, int], counts: Sequence[bytes]) -> None:
        self.size = size
        self.counts = tuple(counts)

    @classmethod
    def of(cls, masks: Tensor) -> EncodedMasks:
        """Dense masks, bool (K, H, W), on any device; see `mask_chunks` for many of a large image.

        Raises:
            ValueError: they are of another type or of other dimensions.
        """
        if masks.dtype != torch.bool or masks.dim() != 3:
            raise ValueError(f"masks are bool (K, H, W), not {masks.dtype} {tuple(masks.shape)}")
        size = (masks.shape[1], masks.shape[2])
        if len(masks) == 0:  # pycocotools wants at least one
            return cls(size, ())
        bytewise = masks.cpu().numpy().view(np.uint8)
        # The column-by-column order that pycocotools wants of (H, W, K), for all at once.
        encodings = run_length.encode(np.asfortranarray(bytewise.transpose(1, 2, 0)))
        return cls(size, [encoding["counts"] for encoding in encodings])

    @staticmethod
    def cat(parts: Sequence[EncodedMasks]) -> EncodedMasks:
        """Masks of one image, at least one part of them, one after the other."""
        return EncodedMasks(parts[0].size, [counts for part in parts for counts in part.counts])

    def dense(self) -> Tensor:
        """All masks, bool (K, H, W)."""
        height, width = self.size
        if not self.counts:
            return torch.zeros(0, height, width, dtype=torch.bool)
        encodings = [{"size": [height, width], "counts": counts} for counts in self.counts]
        decoded = torch.from_numpy(run_length.decode(encodings))
        return decoded.permute(2, 0, 1).contiguous().view(torch.bool)

    def segmentations(self) -> list[dict[str, Any]]:
        """Every mask as COCO's JSON has it: `size` and `counts`, which is text there."""
        return [
            {"size": list(self.size), "counts": counts.decode("ascii")} for counts in self.counts
        ]

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, item: int) -> Tensor: ...

    @overload
    def __getitem__(self, item: slice | Tensor) -> EncodedMasks: ...

    def __getitem__(self, item: int | slice | Tensor) -> Tensor | EncodedMasks:
        if isinstance(item, int):
            return EncodedMasks(self.size, [self.counts[item]]).dense()[0]
        chosen = item.cpu() if isinstance(item, Tensor) else item
        places = torch.arange(len(self))[chosen]
        return EncodedMasks(self.size, [self.counts[place] for place in places.tolist()])


def mask_chunks(count: int, pixels: int, at_once: int = PIXELS_AT_ONCE) -> list[slice]:
    """Cut `count` masks into runs of about equal length, each of about `at_once` pixels.

    A run has two masks at least, unless there is but one: PyTorch adds up a single mask in another
    order than each of several, and sums over a mask must not depend on the cut.

    Args:
        count: K.
        pixels: of one mask.
        at_once: of one run.

    Returns:
        One slice at least, which is empty if there are no masks.
    """
    runs = max(min(-(-count * pixels // at_once), count // 2), 1)
    bounds = [count * run // runs for run in range(runs + 1)]
    return [slice(start, end) for start, end in pairwise(bounds)]
