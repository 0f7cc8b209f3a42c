"""The contact sheet of a split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from boxseg.data.scenes.contact_sheet import contact_sheet
from tests.data.scenes.on_disk import SIZE, small


def test_contact_sheet_shows_plain_and_outlined(root: Path) -> None:
    split = small(root, "scenes").split("train")
    sheet = contact_sheet(split, count=3, columns=2)
    assert sheet.tobytes() == contact_sheet(split, count=3, columns=2).tobytes()
    pixels = np.asarray(sheet)
    with Image.open(split.images / "000001.png") as opened:
        plain = np.asarray(opened).repeat(3, axis=0).repeat(3, axis=1)  # 64 px to 192
    assert np.array_equal(pixels[6:198, 6:198], plain)
    outlined = pixels[6:198, 201:393]
    content = json.loads(split.annotations.read_text())
    drawn = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for annotation in content["annotations"]:
        if annotation["image_id"] == 1:
            drawn |= coco_mask.decode(annotation["segmentation"]).astype(np.bool_)
    changed = (outlined != plain).any(axis=2)
    assert changed.any()
    assert not (changed & ~drawn.repeat(3, axis=0).repeat(3, axis=1)).any()
