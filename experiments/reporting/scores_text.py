"""An evaluation's scores as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from boxseg.engine.class_scores import ClassScores

LABELS = {"segm": "mask", "bbox": "box", "boundary": "outline"}
"""What each kind of score compares."""


def scores_text(
    metrics: Mapping[str, float | None], area_ranges: Mapping[str, Sequence[float]]
) -> str:
    """AP in per cent of every kind, with the area ranges that they were measured with.

    Args:
        metrics: by "segm/AP" and the like; None where the data do not define it. Those of another
            kind ("pseudo/IoU") and those of further splits ("segm/AP@SPLIT") stand in lines of
            their own.
        area_ranges: (from, to) in pixels of "small", "medium" and "large".
    """
    elsewhere = [name for name in metrics if "@" in name]
    here = [name for name in metrics if name not in elsewhere]
    kinds = [kind for kind in dict.fromkeys(n.split("/")[0] for n in here) if kind in LABELS]
    names = list(dict.fromkeys(n.split("/")[1] for n in here if n.split("/")[0] in LABELS))
    rows = [[LABELS[k], *(_number(metrics.get(f"{k}/{name}")) for name in names)] for k in kinds]
    small, large = area_ranges["medium"]
    areas = f"small: below {small:.0f} square pixels, large: above {large:.0f}\n"
    others = [n for n in here if n.split("/")[0] not in LABELS]
    measured = ", ".join(f"{n.replace('/', ' ')} {_number(metrics[n])}" for n in others)
    more = f"by the true masks, in per cent: {measured}\n" if measured else ""
    splits: dict[str, list[str]] = {}
    for kind, name in (one.split("/") for one in elsewhere):
        score, _, split = name.partition("@")
        value = _number(metrics[f"{kind}/{name}"])
        splits.setdefault(split, []).append(f"{LABELS[kind]} {score} {value}")
    more += "".join(f"on {split}: {', '.join(found)}\n" for split, found in splits.items())
    return _aligned([["", *names], *rows]) + areas + more


def classes_text(classes: Sequence[ClassScores]) -> str:
    """Every category's scores, a line each, in the order given."""
    names = list(classes[0].metrics)
    heads = [f"{LABELS[kind]} {name}" for kind, name in (one.split("/") for one in names)]
    rows = [
        [one.name, str(one.objects), *(_number(one.metrics[name]) for name in names)]
        for one in classes
    ]
    return _aligned([["category", "objects", *heads], *rows])


def voc_text(voc: Mapping[str, float | None]) -> str:
    """AP50 and AP75 as PASCAL VOC averages precision."""
    parts = [
        f"{LABELS[kind]} {name} {_number(value)}"
        for (kind, name), value in ((key.split("/"), value) for key, value in voc.items())
    ]
    return f"VOC (area under the whole curve): {', '.join(parts)}\n"


def splits_text(splits: Mapping[str, Mapping[str, float | None]]) -> str:
    """One kind of score after the other, a line per split.

    Args:
        splits: the metrics of each, by its name.
    """
    metrics = next(iter(splits.values()))
    names = list(dict.fromkeys(name.split("/")[1] for name in metrics))
    blocks = [
        [
            [LABELS[kind], *names],
            *(
                [split, *(_number(found.get(f"{kind}/{name}")) for name in names)]
                for split, found in splits.items()
            ),
        ]
        for kind in dict.fromkeys(name.split("/")[0] for name in metrics)
    ]
    return "\n".join(map(_aligned, blocks))


def rescorings_text(runs: Mapping[str, Mapping[str, float | None]]) -> str:
    """Mask AP by both ways to score detections, a line per run, and what the second one gains.

    Args:
        runs: AP in per cent by the name of the way, of each run; all have the same two.
    """
    first, second = next(iter(runs.values()))
    rows = [["mask AP", first, second, "difference"]]
    for run, found in runs.items():
        one, other = found[first], found[second]
        gain = "-" if one is None or other is None else f"{other - one:+.2f}"
        rows.append([run, *("-" if v is None else f"{v:.2f}" for v in (one, other)), gain])
    return _aligned(rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first aligned left and the others right."""
    first = max(6, *(len(row[0]) for row in rows))
    widths = [max(5, *(map(len, column))) for column in list(zip(*rows, strict=True))[1:]]
    return "".join(
        f"{row[0]:<{first}}"
        + "".join(f"{cell:>{width + 2}}" for cell, width in zip(row[1:], widths, strict=True))
        + "\n"
        for row in rows
    )
