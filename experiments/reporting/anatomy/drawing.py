"""Figures of what is seen inside a run: of the quality-aware module, and of copy-paste."""

from __future__ import annotations

from experiments.reporting.anatomy.copy_paste import LabelledImage, PasteAnatomy
from experiments.reporting.anatomy.quality import QualityAnatomy
from reports.figures.figure import Figure
from reports.figures.panels import BOX, MASK, TUTOR, Outlined, Picture, panels_figure

_ACROSS = 5


def quality_figure(anatomy: QualityAnatomy, name: str = "qam") -> Figure:
    """Image, candidates (best box first), fused mask, pseudo mask and true mask of one object.

    Args:
        anatomy: of the object.
        name: of the figure's file.
    """
    height, width = anatomy.image.shape[:2]
    size, own_box = (width, height), Outlined(anatomy.box, color=BOX)
    first = Picture(f"{anatomy.class_name} and its box", anatomy.image, marks=[own_box])
    candidates = [
        Picture(
            f"{number}: {one.class_name}, IoU {one.box_iou:.2f}\n"
            f"score {one.score:.2f}, weight {one.weight:.2f}",
            one.probabilities,
            size,
            [Outlined(one.box, color=TUTOR), own_box],
        )
        for number, one in enumerate(anatomy.candidates, start=1)
    ]
    fused = Picture("fused mask", anatomy.fused, size, [own_box])
    pseudo = Picture(
        f"pseudo mask, quality {anatomy.quality:.2f}",
        anatomy.image,
        size,
        [Outlined(mask=anatomy.pseudo_mask, color=MASK), own_box],
    )
    results = [first, fused, pseudo]
    verdict = "the true mask is not known"
    if anatomy.true_mask is not None and anatomy.true_iou is not None:
        verdict = f"its IoU with the true mask is {anatomy.true_iou:.2f}"
        results.append(
            Picture(
                f"true mask, IoU {anatomy.true_iou:.2f}",
                anatomy.image,
                size,
                [Outlined(mask=anatomy.true_mask, color=MASK)],
            )
        )
    rows = [results] + [
        candidates[start : start + _ACROSS] for start in range(0, len(candidates), _ACROSS)
    ]
    scored = f"its quality is {anatomy.quality:.2f}, {verdict}"
    return panels_figure(
        name,
        "Inside the quality-aware module",
        f"A {anatomy.class_name} with its box (blue), the mask fused of {len(candidates)} of "
        f"{anatomy.asked} candidates asked for, and the pseudo mask; below, the candidates' masks "
        f"and boxes (red), best box first, from {anatomy.places} of the network's cells. "
        f"{scored[0].upper()}{scored[1:]}.",
        f"A {anatomy.class_name}, {len(candidates)} candidate masks, the fused mask and the pseudo "
        f"mask; {scored}.",
        rows,
    )


def paste_figure(anatomy: PasteAnatomy, name: str = "pc") -> Figure:
    """Tutor in its image, learner's image before, and after the paste, as in the paper's figure 4.

    Args:
        anatomy: of the paste.
        name: of the figure's file.
    """
    source = [
        _object(anatomy.source, number, number == anatomy.tutor)
        for number in range(len(anatomy.source.boxes))
    ]
    before = [_object(anatomy.before, n, False) for n in range(len(anatomy.before.boxes))]
    after = [
        _object(anatomy.after, number, bool(pasted))
        for number, pasted in enumerate(anatomy.after.pasted)
    ]
    quality = float(anatomy.source.qualities[anatomy.tutor])
    kind = anatomy.source.class_names[anatomy.tutor]
    rows = [
        [
            Picture(f"tutor: {kind}, quality {quality:.2f}", anatomy.source.pixels, marks=source),
            Picture("learner's image before", anatomy.before.pixels, marks=before),
            Picture("after: without marks", anatomy.after.pixels),
            Picture("after: what is taught", anatomy.after.pixels, marks=after[::-1]),
        ]
    ]
    counts = f"{len(before)} objects before the paste, {len(after)} after it"
    return panels_figure(
        name,
        "Inside peer-assisted copy-paste",
        f"The tutor (red), a {kind} whose pseudo mask has the quality {quality:.2f}, in its image; "
        f"the image of the learners before and after it is pasted. Numbers are the qualities of "
        f"the pseudo masks; {counts}.",
        f"A {kind} is copied from one image and pasted over objects of another: {counts}.",
        rows,
    )


def _object(image: LabelledImage, number: int, is_tutor: bool) -> Outlined:
    return Outlined(
        box=image.boxes[number].tolist(),
        mask=image.masks[number],
        text=f"{image.qualities[number]:.2f}",
        color=TUTOR if is_tutor else BOX,
    )
