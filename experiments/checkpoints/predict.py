"""From image files and a checkpoint to overlays and COCO JSON in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools import mask as run_length

from boxseg.data.entries import Category
from boxseg.data.image_files import find_images
from boxseg.engine.image_progress import ImageProgress
from boxseg.engine.prediction import Prediction, Skipped
from boxseg.errors import InputError
from boxseg.export.annotated import AnnotatedImage, AnnotatedObject
from boxseg.export.coco import polygons_of
from boxseg.export.formats import folders_of_images, write_image
from boxseg.export.yolo import write_yolo_index
from boxseg.files import LONGEST_NAME, atomic_path, shortened, write_json_atomically
from boxseg.overlays import draw_overlay, picture_size
from boxseg.progress_display.display import DISPLAY
from experiments.checkpoints.least_certain import Shown, write_least_certain
from experiments.checkpoints.predictor import load_predictor

WHOLE = ("predictions.json", "images.json", "contact-sheet.html")
FOLDERS = ("annotations", "coco-polygons", "png", "yolo", "labelme")
INSTANCES = "instances_predicted.json"

LONGEST_STEM = LONGEST_NAME - len("-1000000.png")


@dataclass(frozen=True)
class Outcome:
    """What `predict` did.

    Attributes:
        images: predicted on.
        objects: found on them.
        skipped: files that could not be read.
        files: and folders written; first COCO's result JSON, a list, and COCO's instance JSON of
            the images and categories that the results refer to.
    """

    images: int
    objects: int
    skipped: tuple[Skipped, ...]
    files: tuple[Path, ...]

    def sentence(self) -> str:
        """The outcome in one line."""
        left = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.objects} objects on {self.images} images{left}"


def predict(
    words: Sequence[str],
    checkpoint: Path,
    out: Path,
    *,
    batch_size: int,
    score_threshold: float,
    device: str,
    categories: Path | None = None,
    formats: Sequence[str] = (),
) -> Outcome:
    """Predict on images; write `predictions.json`, `images.json` and an overlay for each image.

    Further forms are those of annotations; an image has the name of its overlay in them.

    `images.json` lists `images` (id, `file_name` as it was found, size of the upright image,
    `overlay`, `notes`), `categories` and what was `skipped`; pycocotools loads it, and
    `predictions.json` as its results. An image's id is its number among the files found, the
    skipped ones counted.

    Args:
        words: image files, folders and patterns; see `boxseg.data.image_files.find_images`.
        checkpoint: a run directory, or a checkpoint.
        out: folder to write to.
        batch_size: images that go through the network together.
        score_threshold: detections below it are left out, of the JSON too.
        device: to predict on; "auto" takes a GPU if there is one.
        categories: COCO JSON with the model's categories; by default those of its data.
        formats: further ones, of `boxseg.export.FORMATS`, with the contact sheet of the objects
            with the lowest scores.

    Raises:
        InputError: no image is found, the checkpoint cannot be used, or `out` not be written, or it
            holds something of a name that is to be written.
    """
    found = find_images(words, out)
    overlays = _overlay_names(found.files)
    _refuse_to_overwrite(out, overlays)
    with DISPLAY.doing(f"loading {checkpoint}"):
        predictor, names = load_predictor(checkpoint, device, score_threshold, categories)
    images: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    shown: list[Shown] = []
    skipped: list[Skipped] = []
    with ImageProgress("predicting", len(found.files)) as progress:
        for reason, count in sorted(found.left_out.items()):
            progress.say(f"left out of the folders, {reason}: {count}")
        answers = predictor(found.files, batch_size)
        for image_id, (overlay, answer) in enumerate(zip(overlays, answers, strict=True), start=1):
            if isinstance(answer, Skipped):
                progress.say(f"boxseg: image {answer.file} is skipped: {answer.reason}.")
                skipped.append(answer)
            else:
                found_here = answer.coco_results(image_id, [one.id for one in names])
                _write_overlay(answer, names, out / overlay)
                images.append(_entry(answer, image_id, overlay))
                results += found_here
                if formats:
                    first = len(annotations) + 1
                    objects = _objects(found_here, names, first)
                    annotations += _annotations(found_here, first)
                    height, width = answer.image.pixels.shape[:2]
                    annotated = AnnotatedImage(overlay, width, height, objects)
                    write_image(out, "", annotated, answer.file, formats)
                    shown += [
                        Shown(answer.file, f"{answer.file.name}, object {one.id}", one, r["score"])
                        for one, r in zip(objects, found_here, strict=True)
                    ]
                for note in answer.image.notes:
                    progress.say(f"{answer.file}: {note}")
            progress.update()
    index = {
        "images": images,
        "annotations": [],
        "categories": [{"id": one.id, "name": one.name} for one in names],
        "skipped": [{"file_name": str(one.file), "reason": one.reason} for one in skipped],
    }
    write_json_atomically(out / "images.json", index)
    write_json_atomically(out / "predictions.json", results, indent=None)
    files = [out / "predictions.json", out / "images.json"]
    if formats:
        document = {**index, "annotations": annotations}
        files += _write_whole(out, document, [one.name for one in names], formats)
        told = f"{len(results)} objects on {len(images)} images; quality is the score."
        files.append(write_least_certain(out, "Objects found", told, shown))
    return Outcome(len(images), len(results), tuple(skipped), tuple(files))


def _refuse_to_overwrite(out: Path, overlays: Sequence[str]) -> None:
    """Raise `InputError` if a file or folder of a call is there."""
    for name in (*WHOLE, *FOLDERS, *overlays):
        if (out / name).exists():
            raise InputError(
                f"{out / name} is there already, and nothing is overwritten; give another folder "
                "with --out."
            )


def _objects(
    found: Sequence[dict[str, Any]], names: Sequence[Category], first: int
) -> tuple[AnnotatedObject, ...]:
    """An image's detections as the writers of forms take them, numbered from `first`."""
    places = {one.id: place for place, one in enumerate(names)}
    objects = []
    for number, one in enumerate(found, start=first):
        place = places[one["category_id"]]
        x, y, width, height = one["bbox"]
        box = (x, y, x + width, y + height)
        objects.append(AnnotatedObject(number, place, names[place].name, box, one["segmentation"]))
    return tuple(objects)


def _annotations(found: Sequence[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """An image's detections as COCO's annotations, numbered from `first`."""
    return [
        {"id": number, **one, "iscrowd": 0, "area": float(run_length.area(one["segmentation"]))}
        for number, one in enumerate(found, start=first)
    ]


def _write_whole(
    out: Path, document: dict[str, Any], names: Sequence[str], formats: Sequence[str]
) -> list[Path]:
    """Write what is about all images; those files, and the folders of the others."""
    written = []
    if "coco" in formats:
        written.append(out / "annotations" / INSTANCES)
        write_json_atomically(written[-1], document, indent=None)
    if "coco-polygons" in formats:
        outlined = [
            {**one, "segmentation": polygons_of(one["segmentation"])}
            for one in document["annotations"]
            if one["area"] > 0
        ]
        written.append(out / "coco-polygons" / INSTANCES)
        write_json_atomically(written[-1], {**document, "annotations": outlined}, indent=None)
    if "yolo" in formats:
        written.append(write_yolo_index(out / "yolo", names, {}))
    return [*written, *folders_of_images(out, "", formats)]


def _overlay_names(files: Sequence[Path]) -> list[str]:
    """A name of its own for every file, whatever case the file system ignores."""
    names: list[str] = []
    taken: set[str] = set()
    for file in files:
        stem = shortened(file.stem, LONGEST_STEM)
        name, number = f"{stem}.png", 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}.png"
        taken.add(name.casefold())
        names.append(name)
    return names


def _write_overlay(prediction: Prediction, names: Sequence[Category], target: Path) -> None:
    labels = [
        f"{' '.join(names[label].name.split())} {score:.2f}"
        for label, score in zip(
            prediction.classes.tolist(), prediction.scores.tolist(), strict=True
        )
    ]
    picture = draw_overlay(prediction.image.pixels, prediction.boxes, prediction.masks, labels)
    with atomic_path(target) as temporary:
        picture.save(temporary, format="PNG")


def _entry(prediction: Prediction, image_id: int, overlay: str) -> dict[str, Any]:
    height, width = prediction.image.pixels.shape[:2]
    notes = list(prediction.image.notes)
    drawn = picture_size(width, height)
    if drawn[0] < width:
        notes.append(f"overlay drawn at {drawn[0]} x {drawn[1]}")
    return {
        "id": image_id,
        "file_name": str(prediction.file),
        "width": width,
        "height": height,
        "overlay": overlay,
        "notes": notes,
    }
