"""From a folder of boxes and a checkpoint to masks for these boxes, in the forms asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.contact_sheet import Cutting, cutting_of, write_contact_sheet
from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.data.image_reader import decode_image
from boxseg.engine.image_progress import ImageProgress
from boxseg.export.instance_pngs import write_instance_pngs
from boxseg.export.labelme import write_labelme_image
from boxseg.export.yolo import write_yolo_image, write_yolo_index
from boxseg.files import write_json_atomically
from experiments.checkpoints.annotation_parts import (
    SplitToLabel,
    category_names,
    claim,
    masks_by_annotation,
)
from experiments.checkpoints.box_labeller import BoxMask, load_box_labeller
from experiments.checkpoints.certainty import least_quality
from experiments.checkpoints.judged_boxes import (
    JudgedBox,
    State,
    Unsure,
    annotated_images,
    document_with_masks,
    judged_boxes,
)
from experiments.checkpoints.saved_model import saved_model

SHEET = 400
"""Objects on the contact sheet, at most: so many are looked through in a quarter of an hour."""


@dataclass(frozen=True)
class Outcome:
    """What `annotate` did.

    Attributes:
        counts: of annotations, by what became of them.
        skipped: images that could not be read.
        least_quality: of a mask that is relied on.
        calibrated: the run's own calibration says so.
        files: and folders written.
    """

    counts: Counter[State]
    skipped: int
    least_quality: float
    calibrated: bool
    files: tuple[Path, ...]

    def sentence(self) -> str:
        """The outcome in one line."""
        return ", ".join(f"{self.counts[one]} {one}" for one in State if self.counts[one])


def annotate(
    folder: Path,
    checkpoint: Path,
    out: Path,
    *,
    splits: Sequence[str] = (),
    formats: Sequence[str] = ("coco",),
    least: float | None = None,
    unsure: Unsure = Unsure.NONE,
    device: str = "auto",
    categories: Path | None = None,
) -> Outcome:
    """Give every box of a folder a mask, and write them; a call again goes on where one stopped.

    Args:
        folder: in COCO's layout; nothing in it is changed.
        checkpoint: a run directory, or a checkpoint, of a method with a teacher.
        out: folder to write to.
        splits: names; without them all of the folder's.
        formats: "coco", "png", "yolo", "labelme".
        least: quality from which on a mask is relied on; None for what the run's calibration says,
            and 0 where it has none.
        unsure: what a box below it gets.
        device: to compute on; "auto" takes a GPU if there is one.
        categories: COCO JSON with the model's categories; by default those of its data.

    Raises:
        InputError: the folder, the checkpoint or `out` cannot be used, or a category is unknown to
            the model.
    """
    dataset = coco_folder(folder)
    works = [SplitToLabel.read(dataset.split(name)) for name in splits or dataset.splits]
    # Refused before the work, not after it: a number means one class in all splits.
    classes = category_names(works) if "yolo" in formats else None
    labeller = load_box_labeller(checkpoint, device, categories)
    file = saved_model(checkpoint).checkpoint
    claim(out, file, works)
    calibrated = least_quality(file.parent) if least is None else None
    least = calibrated or 0.0 if least is None else least
    counts: Counter[State] = Counter()
    skipped = 0
    files: list[Path] = []
    labelled: list[tuple[Split, JudgedBox]] = []
    with ImageProgress("annotating", sum(len(work.wanted) for work in works)) as progress:
        for work in works:
            found: dict[int, BoxMask] = {}
            for masks in masks_by_annotation(labeller, work, out):
                if isinstance(masks, dict):
                    found |= masks
                else:
                    skipped += 1
                    progress.say(f"boxseg: {masks}")
                progress.update()
            judged = judged_boxes(work, found, least, unsure)
            files += _written(work, judged, out, formats)
            counts.update(one.state for one in judged)
            labelled += [(work.split, one) for one in judged if one.annotation["id"] in found]
    if classes is not None:
        images = {work.split.name: work.split.images for work in works}
        files.append(write_yolo_index(out / "yolo", classes, images))
    outcome = Outcome(counts, skipped, least, calibrated is not None, tuple(files))
    sheet = _sheet(out, folder.name, outcome, labelled)
    return Outcome(counts, skipped, least, calibrated is not None, (*files, sheet))


def _written(
    work: SplitToLabel, judged: Sequence[JudgedBox], out: Path, formats: Sequence[str]
) -> list[Path]:
    """Write a split in the forms asked for; the files, or the folders of files."""
    split = work.split
    written = []
    if "coco" in formats:
        written.append(out / "annotations" / split.annotations.name)
        write_json_atomically(written[-1], document_with_masks(work, judged), indent=None)
    for image in annotated_images(work, judged):
        if "png" in formats:
            write_instance_pngs(out / "png", split.name, image)
        if "yolo" in formats:
            write_yolo_image(out / "yolo", split.name, image)
        if "labelme" in formats:
            picture = split.images / image.file_name
            write_labelme_image(out / "labelme", split.name, image, picture)
    return [*written, *(out / one / split.name for one in ("png", "labelme") if one in formats)]


def _sheet(
    out: Path, name: str, outcome: Outcome, labelled: Sequence[tuple[Split, JudgedBox]]
) -> Path:
    """Write the page of the least certain objects."""
    ordered = sorted(
        labelled,
        key=lambda one: -1.0 if one[1].quality is None else one[1].quality,
    )[:SHEET]
    told = (
        f"{outcome.sentence()}. Unsure is a quality below {outcome.least_quality:g}. Shown are the "
        f"{len(ordered)} least certain, worst first."
    )
    return write_contact_sheet(
        out / "contact-sheet.html", f"Masks for {name}", told, _cuttings(ordered)
    )


def _cuttings(ordered: Sequence[tuple[Split, JudgedBox]]) -> Iterator[Cutting]:
    """Pictures of objects, one in memory at a time."""
    for split, one in ordered:
        if one.exported is None:
            continue
        pixels = decode_image(split.images / one.image.file_name).pixels
        mask = None if one.exported.mask is None else one.exported.dense()
        yield Cutting(
            picture=cutting_of(pixels, one.exported.box, mask),
            name=one.exported.name,
            where=f"{one.image.file_name}, annotation {one.exported.id}",
            quality=one.quality,
            unsure=one.state is State.UNSURE,
        )
