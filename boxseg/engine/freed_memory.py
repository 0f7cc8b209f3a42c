"""What becomes of memory that was freed: a training step asks for the same again at once."""

from __future__ import annotations

import ctypes
import sys

# Numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

LARGEST_KEPT = 1 << 25
"""Bytes of the largest tensor whose memory is kept; larger ones come and go by themselves."""

MOST_KEPT = 1 << 29
"""Bytes at the end of the heap that are not given back."""


def keep_freed_memory() -> None:
    """Let this process keep what its tensors free, instead of giving it back to the system.

    The system would fill every page with zeros again before it is used: some thousand pages in a
    step at mini scale. Where malloc is another than glibc's nothing changes.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    try:
        mallopt = library.mallopt
    except AttributeError:
        return
    mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, MOST_KEPT)
