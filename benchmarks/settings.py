"""What is timed: networks at a size, and the words of the command line that compose them."""

from __future__ import annotations

from dataclasses import dataclass

SETTINGS = {
    "r18": (
        "scale=paper",
        "dataset=scenes",
        "scale.backbones.r50.bottom_up.depth=18",
        "scale.segmenter.channels=64",
        "scale.segmenter.mask_channels=64",
        "scale.segmenter.tower_convs=2",
        "scale.segmenter.mask_convs=2",
    ),
    "mini": ("scale=mini", "dataset=scenes"),
    "r50": ("scale=paper", "dataset=scenes"),
}
"""ResNet-18 with a 64-channel pyramid and two convolutions a tower, in which the published code was
timed; the mini scale; and the paper's network."""

CASES = ("mini:128", "r18:160", "r50:320")
METHODS = ("condinst", "boxinst", "boxteacher", "boxseg")
CLASSES = 5


@dataclass(frozen=True)
class Work:
    """What one training step is done on.

    Attributes:
        setting: of `SETTINGS`.
        size: height and width of the images, in pixels.
        batch: images.
        objects: of each image.
    """

    setting: str
    size: int
    batch: int
    objects: int

    @classmethod
    def of_case(cls, case: str, batch: int, objects: int) -> Work:
        """That of SETTING:PIXELS.

        Raises:
            ValueError: there is no such setting, or the size is no positive number.
        """
        setting, _, pixels = case.partition(":")
        if setting not in SETTINGS or not pixels.isdecimal() or int(pixels) < 1:
            known = ", ".join(SETTINGS)
            raise ValueError(f"{case!r} is no SETTING:PIXELS with a setting of {known}")
        return cls(setting, int(pixels), batch, objects)


def words_of(work: Work, method: str, precision: str) -> list[str]:
    """Words of the command line for a method.

    The learning rate is next to nothing: the optimiser does all of its work, and yet every step
    is done with the same weights.
    """
    return [
        *SETTINGS[work.setting],
        f"method={method}",
        f"dataset.num_classes={CLASSES}",
        f"images.short_sides=[{work.size}]",
        f"images.max_side={work.size}",
        f"images.test_short_side={work.size}",
        f"solver.precision={precision}",
        "solver.optimizer.learning_rate=1e-9",
    ]
