"""From a tool's objects to COCO's annotations, in the pixels of the upright picture."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from boxseg.data.annotation_rules import clip_box
from boxseg.data.foreign.annotated import AnnotatedObject, AnnotatedPicture, Box, Size
from boxseg.data.foreign.documents import UnusableFile
from boxseg.data.foreign.geometry import (
    QUARTER_TURNS,
    around,
    clipped,
    corners,
    flat,
    points_of,
)
from boxseg.data.foreign.pictures import Measured
from boxseg.data.foreign.report import ImportReport
from boxseg.data.segmentations import extent, object_area, segmentation_fault

_DECIMALS = 3  # of a pixel: finer than any tool measures


def quarter_turn(picture: AnnotatedPicture, measured: Measured) -> int | None:
    """The EXIF orientation by which a picture's objects are to be turned; None if they are upright.

    All tools show a picture upright and measure in what they show, so objects are taken to be
    upright unless the size that the tool recorded is that of the stored pixels and not of the
    upright ones. A half turn and a mirroring leave no such trace.

    Raises:
        UnusableFile: the recorded size is neither, so the objects are of another picture.
    """
    if picture.frame in (None, measured.upright):
        return None
    if picture.frame == measured.stored:
        return measured.orientation
    shown = " x ".join(map(str, picture.frame or ()))
    raise UnusableFile(
        f"is {measured.width} x {measured.height} pixels, but its annotations say {shown}"
    )


def class_name(text: str) -> str:
    """The name of a class as it is written and compared: composed, without spaces around it."""
    return unicodedata.normalize("NFC", text).strip()


def coco_annotations(
    picture: AnnotatedPicture, measured: Measured, report: ImportReport
) -> list[tuple[str, dict[str, Any]]]:
    """The sound objects of a picture, each the name of its category and COCO's fields.

    The fields are `bbox`, `area`, `iscrowd` and, where there is a mask, `segmentation`. Boxes are
    clipped to the picture; those without area in it, of no category, or given twice are left out
    and counted.

    Raises:
        UnusableFile: see `quarter_turn`.
    """
    turn = quarter_turn(picture, measured)
    found: list[tuple[str, dict[str, Any]]] = []
    for thing in picture.objects:
        category = class_name(thing.category)
        if not category:
            report.leave_out("objects of no class", thing.where)
            continue
        if not all(map(math.isfinite, thing.box)):
            report.leave_out("objects whose box is not finite", thing.where)
            continue
        box = thing.box if turn is None else _turned_box(thing.box, turn, measured.stored)
        bbox = _bbox(box, measured.upright, thing, report)
        if bbox is None:
            continue
        fields: dict[str, Any] = {"bbox": bbox, "iscrowd": int(thing.crowd)}
        segmentation = _segmentation(thing, turn, measured, report)
        if segmentation is not None:
            fields["segmentation"] = segmentation
        area = object_area(fields, measured.width, measured.height)
        fields["area"] = round(area or bbox[2] * bbox[3], _DECIMALS)
        if (category, fields) in found:
            report.leave_out("objects given twice", thing.where)
            continue
        found.append((category, fields))
    return found


def _bbox(box: Box, size: Size, thing: AnnotatedObject, report: ImportReport) -> list[float] | None:
    """COCO's box within its picture; None where none is left, which is counted."""
    x0, y0, x1, y1 = box
    inside, fault = clip_box((x0, y0, x1 - x0, y1 - y0), *size)
    if inside is not None:
        x0, y0, x1, y1 = (round(value, _DECIMALS) for value in inside)
        if x1 <= x0 or y1 <= y0:
            fault = "zero area"
    if fault == "zero area":
        report.leave_out("boxes of zero area", thing.where)
        return None
    if fault == "outside":
        report.leave_out("boxes outside their picture", thing.where)
        return None
    if fault is not None:
        report.change("boxes clipped at the border of their picture", thing.where)
    return [x0, y0, round(x1 - x0, _DECIMALS), round(y1 - y0, _DECIMALS)]


def _segmentation(
    thing: AnnotatedObject, turn: int | None, measured: Measured, report: ImportReport
) -> Any:
    """The mask in the upright picture; None where there is none, or none that can be used."""
    if thing.segmentation is None:
        return None
    frame = measured.upright if turn is None else measured.stored
    if segmentation_fault(thing.segmentation, *frame) is not None:
        report.leave_out("masks that are none (their boxes are kept)", thing.where)
        return None
    if isinstance(thing.segmentation, dict):
        if turn is not None:
            report.leave_out("masks of turned pictures (their boxes are kept)", thing.where)
            return None
        segmentation: Any = thing.segmentation
    else:
        segmentation = [
            polygon
            for polygon in (_polygon(one, turn, measured) for one in thing.segmentation)
            if len(polygon) >= 6
        ]
    if not segmentation or extent(segmentation, *measured.upright) is None:
        report.leave_out("masks that cover nothing (their boxes are kept)", thing.where)
        return None
    return segmentation


def _polygon(polygon: list[float], turn: int | None, measured: Measured) -> list[float]:
    points = points_of(polygon)
    if turn is not None:
        points = [QUARTER_TURNS[turn](x, y, measured.stored) for x, y in points]
    points = clipped(points, float(measured.width), float(measured.height))
    return [round(value, _DECIMALS) for value in flat(points)]


def _turned_box(box: Box, turn: int, stored: Size) -> Box:
    return around(QUARTER_TURNS[turn](x, y, stored) for x, y in corners(box))
