"""RGB colours in whole numbers, and how to draw one that stands out or one that hides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from boxseg.data.scenes.stream import RandomStream

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Ranges that colours are drawn from, hue being free.

    Attributes:
        saturation: least and greatest, of 255.
        value: least and greatest, of 255.
    """

    saturation: tuple[int, int]
    value: tuple[int, int]

    def draw(self, stream: RandomStream) -> Colour:
        """A random colour of the palette."""
        return from_hsv(
            stream.below(1536), stream.between(*self.saturation), stream.between(*self.value)
        )


def from_hsv(hue: int, saturation: int, value: int) -> Colour:
    """RGB of a hue in [0, 1536) (256 steps a sextant), saturation and value in [0, 255]."""
    sextant, step = divmod(hue, 256)
    low = value * (255 - saturation) // 255
    rising = low + (value - low) * step // 256
    falling = low + (value - low) * (256 - step) // 256
    return (
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    )[sextant]


def distance(first: Colour, second: Colour) -> int:
    """How different two colours look, 0 to 255: channel differences weighted 3, 4, 2."""
    red, green, blue = (abs(a - b) for a, b in zip(first, second, strict=True))
    return (3 * red + 4 * green + 2 * blue) // 9


def shaded(colour: Colour, amount: int) -> Colour:
    """Lighter (positive) or darker (negative) by `amount` in every channel."""
    red, green, blue = (min(255, max(0, channel + amount)) for channel in colour)
    return red, green, blue


def apart(draws: Iterable[Colour], others: Sequence[Colour], least: int) -> Colour:
    """The first of `draws` at least `least` from all `others`; the farthest if none is."""
    farthest, greatest_gap = (0, 0, 0), -1
    for colour in draws:
        gap = min((distance(colour, other) for other in others), default=255)
        if gap > greatest_gap:
            farthest, greatest_gap = colour, gap
        if gap >= least:
            break
    return farthest


def similar(stream: RandomStream, colour: Colour, contrast: tuple[int, int]) -> Colour:
    """A colour that much (least, greatest) lighter or darker, with a touch of another tint."""
    amount = stream.between(*contrast)
    lightness = sum(colour) // 3
    # Near black or white there is room on one side only.
    darker = stream.chance(50) if 80 <= lightness <= 175 else lightness > 128
    red, green, blue = (channel + stream.between(-4, 4) for channel in colour)
    return shaded((red, green, blue), -amount if darker else amount)
