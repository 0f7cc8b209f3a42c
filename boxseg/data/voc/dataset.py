"""VOC for the rest of the suite: prepare once, then train, evaluate and check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from boxseg.data.box_only import box_only_path, write_box_only
from boxseg.data.check import SplitCheck, check_document, check_split
from boxseg.data.coco_folder import data_folder
from boxseg.data.dataset import Dataset, Split
from boxseg.data.entries import Defect
from boxseg.data.id_list import read_id_list
from boxseg.data.preparation import Preparation
from boxseg.data.voc.convert import convert
from boxseg.data.voc.devkit import devkit_folder
from boxseg.data.voc.record import describe, record_path, verify, write_record
from boxseg.data.voc.splits import PUBLISHED, SplitPlan, plan_splits
from boxseg.errors import InputError
from boxseg.files import write_text_atomically

TRAIN, VAL = "train_aug", "val"
NOT_PREPARED = "not prepared yet, so converted for this check only."
_HOLDS = "VOCdevkit/VOC2012, VOCdevkit/VOC2007 or both, and SBD for train_aug"


def voc(
    root: Path | str | None,
    train: str = TRAIN,
    evaluate: str = VAL,
    prepared: Path | str | None = None,
    ids: Path | str | None = None,
) -> Dataset:
    """The splits that `prepare_voc` has converted.

    Args:
        root: the folder of the download; a leading ~ is the home folder.
        train, evaluate: names of splits; only the one that is used need be there.
        prepared: folder of the converted JSON; by default root/annotations.
        ids: file of the ids of the images to train on; without it all of the split's.

    Raises:
        InputError: `root` is not given, nothing is prepared, or the id list is bad.
    """
    folder = data_folder("voc", root, _HOLDS)
    built = _built_folder(folder, prepared)
    splits = {}
    for name in PUBLISHED:
        devkit = devkit_folder(folder, 2007 if name.endswith("2007") else 2012)
        annotations = _annotations_path(name, built)
        if devkit is not None and annotations.is_file():
            boxes = box_only_path(name, built)
            split = Split(name, annotations, devkit / "JPEGImages")
            splits[name] = replace(split, boxes=boxes) if boxes.is_file() else split
    if not splits:
        raise InputError(
            f"no split of VOC is prepared in {built}; run `boxseg data prepare voc --root {folder}`"
            " first."
        )
    return Dataset("voc", splits, train, evaluate, None if ids is None else read_id_list(ids))


def prepare_voc(
    root: Path | str | None, prepared: Path | None = None, ids: Path | None = None
) -> Preparation:
    """Convert every split that `root` holds, or verify what was converted before.

    Beside `instances_<split>.json` are written its twin without masks, `boxes_<split>.json`, and
    the record of its ids, counts and checksum, `prepared_<split>.json`.

    Args:
        root: the download's folder.
        prepared: folder to write to; by default root/annotations.
        ids: file of ids of images of train_aug to train on, which is compared with that split.

    Raises:
        InputError: there is no VOC, an image of a set cannot be converted, what was converted
            before is no longer what it was, or the id list does not fit train_aug.
    """
    folder = data_folder("voc", root, _HOLDS)
    built = _built_folder(folder, prepared)
    plans, shortfalls = plan_splits(folder)
    if ids is not None:
        _refuse_unlisted(read_id_list(ids), plans)
    lines: list[str] = []
    for plan in plans:
        lines.extend(_prepared(plan, built))
        difference = PUBLISHED[plan.name].difference(len(plan.images), 0)
        if difference is not None:
            shortfalls.append(difference)
    return Preparation(tuple(lines), tuple(shortfalls))


def check_voc(
    root: Path | str | None, prepared: Path | None = None, ids: Path | None = None
) -> Iterator[SplitCheck]:
    """Examine every split, converted or not; what is not is converted in memory.

    Args:
        root: the download's folder.
        prepared: folder of the converted JSON; by default root/annotations.
        ids: file of the ids of those images of train_aug that are looked at; None for all.

    Raises:
        InputError: there is no VOC, or an image set or the id list cannot be read.
    """
    folder = data_folder("voc", root, _HOLDS)
    built = _built_folder(folder, prepared)
    only = None if ids is None else read_id_list(ids)
    for plan in plan_splits(folder)[0]:
        yield _checked(plan, built, only if plan.name == TRAIN else None)


def _refuse_unlisted(only: frozenset[int], plans: list[SplitPlan]) -> None:
    known = {number for plan in plans if plan.name == TRAIN for number in plan.ids().values()}
    unknown = sorted(only - known)
    if unknown:
        raise InputError(
            f"image {unknown[0]} of the id list is not in {TRAIN}; remove it from the list."
        )


def _prepared(plan: SplitPlan, built: Path) -> list[str]:
    annotations, record = _annotations_path(plan.name, built), record_path(plan.name, built)
    notes: tuple[str, ...] = ()
    if annotations.is_file():
        ids = list(plan.ids().values())
        document, state = verify(annotations, record, ids), "as prepared before"
    else:
        conversion = convert(plan)
        if conversion.defects:
            first, others = conversion.defects[0], len(conversion.defects) - 1
            more = f" (and {others} more; `boxseg data check voc` lists them)" if others else ""
            raise InputError(f"{plan.name}: {first.sentence().rstrip('.')}{more}.")
        document, notes, state = conversion.document, conversion.notes, f"written to {annotations}"
        text = json.dumps(document, allow_nan=False) + "\n"
        # The record first: it refuses another outcome than last time's before anything is changed.
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_record(describe(annotations.name, document, digest), record)
        write_text_atomically(annotations, text)
    write_box_only(annotations, box_only_path(plan.name, built))
    counts = f"images {len(document['images'])}, annotations {len(document['annotations'])}"
    return [f"{plan.name}: {counts}; {state}.", *(f"{plan.name}: {note}" for note in notes)]


def _checked(plan: SplitPlan, built: Path, only: frozenset[int] | None) -> SplitCheck:
    annotations = _annotations_path(plan.name, built)
    split = Split(plan.name, annotations, plan.devkit / "JPEGImages")
    if annotations.is_file():
        check = check_split(split, only)
        try:
            ids = list(plan.ids().values())
            verify(annotations, record_path(plan.name, built), ids)
        except InputError as error:
            message, _, remedy = str(error).rstrip(".").rpartition("; ")
            defect = Defect("not as prepared", f"split {plan.name}:", message, remedy)
            check = replace(check, defects=(defect, *check.defects))
        return check
    conversion = convert(plan)
    check = check_document(conversion.document, split, only)
    return replace(
        check,
        defects=(*conversion.defects, *check.defects),
        notes=(NOT_PREPARED, *conversion.notes, *check.notes),
    )


def _annotations_path(split: str, built: Path) -> Path:
    return built / f"instances_{split}.json"


def _built_folder(folder: Path, prepared: Path | str | None) -> Path:
    return folder / "annotations" if prepared is None else Path(prepared).expanduser()
