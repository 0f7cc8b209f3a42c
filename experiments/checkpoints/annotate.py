"""From a folder of boxes and a checkpoint to masks for these boxes, in the forms asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.engine.image_progress import ImageProgress
from boxseg.engine.run_directory import checkpoint_file
from boxseg.export.formats import folders_of_images, write_image
from boxseg.export.yolo import write_yolo_index
from boxseg.files import write_json_atomically
from boxseg.progress_display.display import DISPLAY
from experiments.checkpoints.annotation_parts import (
    PARTS,
    SplitToLabel,
    category_names,
    claimed,
    masks_by_annotation,
)
from experiments.checkpoints.box_labeller import (
    BoxLabeller,
    BoxMask,
    color_labeller,
    load_teacher,
)
from experiments.checkpoints.certainty import least_quality
from experiments.checkpoints.judged_boxes import (
    JudgedBox,
    State,
    Unsure,
    annotated_images,
    document_with_masks,
    document_with_polygons,
    judged_boxes,
)
from experiments.checkpoints.learned_labeller import learned_labeller
from experiments.checkpoints.least_certain import Shown, write_least_certain
from experiments.checkpoints.mask_measures import MaskMeasures, measured
from experiments.run.device import chosen_device


@dataclass(frozen=True)
class Outcome:
    """What `annotate` did.

    Attributes:
        counts: of annotations, by what became of them.
        skipped: images that could not be read.
        least_quality: of a mask that is relied on.
        calibrated: the run's own calibration says so.
        files: and folders written.
        measures: per split, how good the masks are, where that was asked for.
    """

    counts: Counter[State]
    skipped: int
    least_quality: float
    calibrated: bool
    files: tuple[Path, ...]
    measures: Mapping[str, MaskMeasures] = field(default_factory=dict)

    def sentence(self) -> str:
        """The outcome in one line."""
        return ", ".join(f"{self.counts[one]} {one}" for one in State if self.counts[one])


def annotate(
    folder: Path,
    checkpoint: Path | None,
    out: Path,
    *,
    splits: Sequence[str] = (),
    formats: Sequence[str] = ("coco",),
    least: float | None = None,
    unsure: Unsure = Unsure.NONE,
    device: str = "auto",
    categories: Path | None = None,
    measure: bool = False,
    flips: bool = False,
    learn: int | None = None,
) -> Outcome:
    """Give every box of a folder a mask, and write them; a call again goes on where one stopped.

    Args:
        folder: in COCO's layout; nothing in it is changed.
        checkpoint: a run directory, or a checkpoint, of a method with a teacher; None for masks
            by the colours alone.
        out: folder to write to.
        splits: names; without them all of the folder's.
        formats: of `boxseg.export.FORMATS`.
        least: quality from which on a mask is relied on; None for what the run's calibration says,
            and 0 where it has none.
        unsure: what a box below it gets.
        device: to compute on; "auto" takes a GPU if there is one.
        categories: COCO JSON with the model's categories; by default those of its data.
        measure: give boxes that have a mask another, as if they had none, and compare the two.
        flips: show a checkpoint's teacher each image's mirror image too.
        learn: seed; without a checkpoint, first learn from all of the boxes.

    Raises:
        InputError: the folder, the checkpoint or `out` cannot be used, or a category is unknown to
            the model.
    """
    dataset = coco_folder(folder)
    names = splits or dataset.splits
    works = [SplitToLabel.read(dataset.split(name), blind=measure) for name in names]
    # Refused before the work, not after it: a number means one class in all splits.
    classes = category_names(works) if "yolo" in formats else None
    labeller: BoxLabeller
    if checkpoint is None:
        labeller, file = color_labeller(chosen_device(device)), None
    else:
        with DISPLAY.doing(f"loading {checkpoint}"):
            labeller = load_teacher(checkpoint, device, categories, flips)
        file = checkpoint_file(checkpoint)
    calibrated = least_quality(file.parent) if least is None and file is not None else None
    least = calibrated or 0.0 if least is None else least
    counts: Counter[State] = Counter()
    skipped = 0
    files: list[Path] = []
    shown: list[Shown] = []
    measures: dict[str, MaskMeasures] = {}
    with claimed(out, file, works, blind=measure, flips=flips, learn=learn):
        if learn is not None and any(work.wanted for work in works):
            learned = out / PARTS / "learned.pt"
            labeller = learned_labeller(works, learned, learn, chosen_device(device))
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
                if measure:
                    measures[work.split.name] = measured(work, judged, found)
                for one in judged:
                    if one.annotation["id"] in found:
                        shown += _shown(work.split, one)
        if classes is not None:
            images = {work.split.name: work.split.images for work in works}
            files.append(write_yolo_index(out / "yolo", classes, images))
        if measures:
            files.append(out / "measures.json")
            write_json_atomically(files[-1], {name: asdict(one) for name, one in measures.items()})
        outcome = Outcome(counts, skipped, least, calibrated is not None, tuple(files), measures)
        told = f"{outcome.sentence()}. Unsure is a quality below {outcome.least_quality:g}."
        sheet = write_least_certain(out, f"Masks for {folder.name}", told, shown)
    return replace(outcome, files=(*files, sheet))


def _written(
    work: SplitToLabel, judged: Sequence[JudgedBox], out: Path, formats: Sequence[str]
) -> list[Path]:
    """Write a split in the forms asked for; the files, or the folders of files."""
    split = work.split
    written = []
    if "coco" in formats:
        written.append(out / "annotations" / split.annotations.name)
        write_json_atomically(written[-1], document_with_masks(work, judged), indent=None)
    if "coco-polygons" in formats:
        written.append(out / "coco-polygons" / split.annotations.name)
        write_json_atomically(written[-1], document_with_polygons(work, judged), indent=None)
    for image in annotated_images(work, judged):
        write_image(out, split.name, image, split.images / image.file_name, formats)
    return [*written, *folders_of_images(out, split.name, formats)]


def _shown(split: Split, one: JudgedBox) -> Iterator[Shown]:
    """A box on the contact sheet."""
    if one.exported is not None:
        where = f"{one.image.file_name}, annotation {one.exported.id}"
        picture = split.images / one.image.file_name
        yield Shown(picture, where, one.exported, one.quality, one.state is State.UNSURE)
