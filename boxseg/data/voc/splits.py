"""Which images make up each split, and where each one's annotation comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.data.preparation import Published
from boxseg.data.voc.devkit import devkit_folder, image_ids, read_image_set
from boxseg.data.voc.sbd import Sbd, find_sbd
from boxseg.errors import InputError

SITE = "http://host.robots.ox.ac.uk/pascal/VOC/"
SBD_SITE = "http://home.bharathh.info/pubs/codes/SBD/download.html"

PUBLISHED = {
    split: Published(split, data, images, None)
    for split, data, images in (
        ("train", "VOC 2012", 1_464),
        ("val", "VOC 2012", 1_449),
        ("train_aug", "VOC 2012 with SBD", 10_582),
        ("test2007", "VOC 2007", 4_952),
        ("segmentation-test2007", "VOC 2007", 210),
    )
}

_IMAGE_SETS = (
    ("train", 2012, "Segmentation/train.txt", True),
    ("val", 2012, "Segmentation/val.txt", True),
    ("test2007", 2007, "Main/test.txt", False),
    ("segmentation-test2007", 2007, "Segmentation/test.txt", True),
)


@dataclass(frozen=True)
class SplitPlan:
    """The images of a split, before any annotation is read.

    Attributes:
        name: of the split.
        devkit: the year's folder, VOC2012 or VOC2007.
        images: names, sorted.
        with_masks: whether objects have masks; without, boxes alone are converted.
        sbd: where masks of SBD are.
        from_sbd: those of `images` whose annotations are SBD's.
    """

    name: str
    devkit: Path
    images: Sequence[str]
    with_masks: bool
    sbd: Sbd | None = None
    from_sbd: frozenset[str] = frozenset()

    def ids(self) -> dict[str, int]:
        """The number of each image, by its name."""
        return image_ids(list(self.images))

    def image_file(self, name: str) -> Path:
        """VOC's photograph, or SBD's copy where only that is there."""
        file = self.devkit / "JPEGImages" / f"{name}.jpg"
        if name in self.from_sbd and self.sbd is not None and not file.is_file():
            copy = self.sbd.image(name)
            return copy if copy.is_file() else file
        return file


def plan_splits(root: Path) -> tuple[list[SplitPlan], list[str]]:
    """Every split that can be made of what `root` holds, and a sentence on each that cannot.

    `train_aug` is the training set of box-supervised work on VOC: SBD's train and val sets and
    VOC's train set, without VOC's val set. Images of VOC's train set keep VOC's own annotations,
    the others have SBD's.

    Raises:
        InputError: there is no VOC at all, or an image set cannot be read.
    """
    devkits = {year: devkit_folder(root, year) for year in (2012, 2007)}
    if not any(devkits.values()):
        raise InputError(
            f"{root} holds neither VOCdevkit/VOC2012 nor VOCdevkit/VOC2007; get them from VOC's "
            f"site, {SITE}, and unpack them there."
        )
    plans, missing = [], []
    for name, year, image_set, with_masks in _IMAGE_SETS:
        devkit = devkits[year]
        file = None if devkit is None else devkit / "ImageSets" / image_set
        if devkit is not None and file is not None and file.is_file():
            plans.append(SplitPlan(name, devkit, read_image_set(file), with_masks))
        else:
            what = f"VOC {year}" if file is None else str(file)
            missing.append(f"{name} needs {what}, which is not there; get it from {SITE}.")
    sets = {plan.name: plan for plan in plans}
    sbd = find_sbd(root)
    if sbd is None:
        missing.append(f"train_aug needs SBD, which is not there; get it from {SBD_SITE}.")
    elif "val" not in sets:
        missing.append("train_aug needs VOC 2012's val set, whose images it leaves out.")
    else:
        own = frozenset(sets["train"].images if "train" in sets else ())
        images = (sbd.names() | own) - set(sets["val"].images)
        plans.append(
            SplitPlan(
                "train_aug",
                sets["val"].devkit,
                sorted(images),
                True,
                sbd,
                frozenset(images - own),
            )
        )
    return plans, missing
