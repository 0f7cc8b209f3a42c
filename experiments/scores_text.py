"""An evaluation's scores as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def scores_text(
    metrics: Mapping[str, float | None], area_ranges: Mapping[str, Sequence[float]]
) -> str:
    """Mask and box AP in per cent, with the area ranges they were measured with.

    Args:
        metrics: by "segm/AP" and the like; None where the data do not define it.
        area_ranges: (from, to) in pixels of "small", "medium" and "large".
    """
    names = list(dict.fromkeys(name.split("/")[1] for name in metrics))
    lines = ["      " + "".join(f"{name:>7}" for name in names)]
    for kind, label in (("segm", "mask"), ("bbox", "box")):
        values = [metrics.get(f"{kind}/{name}") for name in names]
        cells = "".join(f"{'-' if value is None else format(value, '.1f'):>7}" for value in values)
        lines.append(f"{label:<6}{cells}")
    small, large = area_ranges["medium"]
    lines.append(f"small: below {small:.0f} square pixels, large: above {large:.0f}")
    return "\n".join(lines) + "\n"
