"""What the images of a batch have different numbers of, one image's after the other's.

Numbers per image are known on the host, so that nothing here asks the device for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def image_index(counts: Sequence[int], device: torch.device) -> Tensor:
    """The image of every entry: int64 (sum of counts,).

    Args:
        counts: entries per image.
        device: of the result.
    """
    total = sum(counts)
    images = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts), output_size=total)
    return images.to(device, non_blocking=True)


def first_places(counts: Sequence[int], device: torch.device) -> Tensor:
    """Where every image's entries begin: int64 (B,)."""
    ends = torch.tensor(counts).cumsum(0)
    return (ends - torch.tensor(counts)).to(device, non_blocking=True)


def padded_places(counts: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the entries of every image are, with as many columns as the largest number of them.

    Args:
        counts: entries per image.
        device: of the results.

    Returns:
        int64 (B, most), places among all entries, 0 past an image's own; and bool (B, most), which
        of them are its own.
    """
    numbers = torch.tensor(counts)
    column = torch.arange(max(counts, default=0))
    own = column < numbers[:, None]
    places = torch.where(own, (numbers.cumsum(0) - numbers)[:, None] + column, 0)
    return places.to(device, non_blocking=True), own.to(device, non_blocking=True)


def counts_of(images: Tensor, batch: int) -> list[int]:
    """Entries of each of `batch` images, from their images in order; read back once, or never."""
    if batch == 1:
        return [len(images)]
    ends = torch.searchsorted(images, torch.arange(batch, device=images.device), right=True)
    last = ends.tolist()
    return [end - begin for begin, end in zip([0, *last], last, strict=False)]
