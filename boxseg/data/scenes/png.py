"""PNG files whose bytes depend on the pixels alone.

Compression libraries differ in the bytes they write; a PNG may also store its pixels uncompressed
(RFC 1951 section 3.2.4), which leaves nothing to choose.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BLOCK = 0xFFFF  # most bytes in a stored deflate block


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file.

    Args:
        image: uint8 (H, W, 3), RGB.
    """
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each row starts with filter type 0
    rows[:, 1:] = image.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", _stored(rows.tobytes()))
        + _chunk(b"IEND", b"")
    )


def png_bytes(height: int, width: int) -> int:
    """The length of `encode_png`'s result for an image of that size."""
    content = height * (1 + 3 * width)
    blocks = -(-content // _BLOCK)
    return len(_SIGNATURE) + 3 * 12 + 13 + 2 + 5 * blocks + content + 4


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _stored(content: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks."""
    pieces = [b"\x78\x01"]
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        last = start + _BLOCK >= len(content)
        pieces.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    pieces.append(struct.pack(">I", zlib.adler32(content)))
    return b"".join(pieces)
