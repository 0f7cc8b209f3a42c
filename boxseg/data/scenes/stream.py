"""A random stream whose numbers are the same on every machine and with every numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


class RandomStream:
    """Integers drawn from PCG64's raw 64-bit words.

    numpy promises the raw words of a bit generator, not the methods of `Generator`, so the methods
    here use nothing else. The generator's state is set from a SHA-256 of `key`; two keys that
    differ give unrelated streams.
    """

    def __init__(self, key: str) -> None:
        digest = hashlib.sha256(key.encode("utf-8")).digest()
        self._words = np.random.PCG64(0)
        self._words.state = {
            "bit_generator": "PCG64",
            "state": {
                "state": int.from_bytes(digest[:16], "little"),
                "inc": int.from_bytes(digest[16:], "little") | 1,  # PCG wants it odd
            },
            "has_uint32": 0,
            "uinteger": 0,
        }

    def below(self, bound: int) -> int:
        """An integer in [0, bound)."""
        return int(self._words.random_raw()) * bound >> 64

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 calls."""
        return self.below(100) < percent

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, each as likely as the next."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of `options`, pairs of a value and its integer weight."""
        left = self.below(sum(weight for _, weight in options))
        for value, weight in options:
            left -= weight
            if left < 0:
                return value
        raise ValueError("weighted() needs at least one option of positive weight")

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `options`, in random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def octets(self, count: int) -> npt.NDArray[np.int32]:
        """`count` integers in [0, 256), shape (count,)."""
        words = np.atleast_1d(self._words.random_raw((count + 7) // 8))
        return words.astype("<u8").view(np.uint8)[:count].astype(np.int32)
