"""Published checkpoints, imported and evaluated by the command line, detect what they did there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as run_length

from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_supervision import BoxSupervision
from boxseg.mask_losses import MaskLoss
from boxseg.mask_supervision import MaskSupervision
from boxseg.weights.names import ADELAIDET, BOXSEG, BOXTEACHER, SIM, Layout
from tests.experiments.command_line import boxseg
from tests.golden.files import Golden, files, needs
from tests.golden.models import build
from tests.weights.published import published_checkpoint

CONDINST, BOXINST = files("case1_condinst"), files("case2_boxinst")
pytestmark = needs(CONDINST, BOXINST)

# BoxTeacher's, BoxSeg's and SIM's networks of inference have BoxInst's weights by the recipe.
CASES = [
    *((file, ADELAIDET) for file in CONDINST),
    *((file, layout) for file in BOXINST for layout in (ADELAIDET, BOXTEACHER, BOXSEG, SIM)),
]
FIRST_ID, FIRST_CATEGORY = 7, 11


def write_folder(root: Path, image: np.ndarray, classes: int) -> Path:
    """A folder in COCO's layout with one image, given as (3, H, W) in BGR, and no objects."""
    (root / "annotations").mkdir(parents=True)
    (root / "val").mkdir()
    Image.fromarray(np.ascontiguousarray(image[::-1].transpose(1, 2, 0))).save(root / "val/a.png")
    height, width = image.shape[1:]
    content = {
        "images": [{"id": FIRST_ID, "file_name": "a.png", "height": height, "width": width}],
        "categories": [{"id": FIRST_CATEGORY + k, "name": f"class {k}"} for k in range(classes)],
        "annotations": [],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return root


def detections(golden: Golden, checkpoint: Path, index: int, folder: Path) -> list[dict[str, Any]]:
    """What the command line finds in an image of the file, each image alone."""
    fcos = golden.section("FCOS", {})
    image = golden.arrays[f"in{index}_image"]
    root = write_folder(folder / f"data{index}", image, fcos["NUM_CLASSES"])
    height, width = image.shape[1:]
    out = folder / f"imported{index}.pt"
    words = (
        "dataset=coco-folder",
        f"root={root}",
        f"images.test_short_side={min(height, width)}",
        f"images.max_side={max(height, width)}",
        f"segmenter.detector.score_threshold={fcos['INFERENCE_TH_TEST']}",
        f"segmenter.detector.pre_nms_top_k={fcos['PRE_NMS_TOPK_TEST']}",
        f"segmenter.detector.nms_threshold={fcos['NMS_TH']}",
        f"segmenter.detector.max_detections={fcos['POST_NMS_TOPK_TEST']}",
        f"scale.input.pixel_mean={golden.setting('PIXEL_MEAN')}",
        f"scale.input.pixel_std={golden.setting('PIXEL_STD')}",
    )
    outcome = boxseg("weights", "import", checkpoint, "--to", out, *words)
    assert outcome.code == 0, outcome.err
    outcome = boxseg("evaluate", out, "--out", folder / f"found{index}")
    assert outcome.code == 0, outcome.err
    found: list[dict[str, Any]] = json.loads(
        (folder / f"found{index}" / "predictions.json").read_text()
    )
    return found


@pytest.mark.parametrize(
    ("file", "layout"), CASES, ids=[f"{file.stem}-{layout.title}" for file, layout in CASES]
)
def test_detections(file: Path, layout: Layout, tmp_path: Path) -> None:
    golden = Golden.load(file)
    losses: list[MaskLoss] = [MaskSupervision() if file in CONDINST else BoxSupervision()]
    case = next(iter(golden.meta["cases"]))
    segmenter = build(golden, golden.case(case)[0], losses)
    tensors = published_checkpoint(layout, segmenter, golden.meta["controller_scale"])
    checkpoint = tmp_path / "model_final.pth"
    torch.save({"model": tensors, "__author__": "golden"}, checkpoint)
    for index in range(2):
        found = detections(golden, checkpoint, index, tmp_path)
        image = golden.arrays[f"in{index}_image"]
        expected = {
            key: golden.arrays[f"test{index}_{key}"]
            for key in ("boxes", "scores", "classes", "masks_packed")
        }
        assert len(found) == len(expected["boxes"])
        categories = [one["category_id"] - FIRST_CATEGORY for one in found]
        np.testing.assert_array_equal(categories, expected["classes"])
        assert {one["image_id"] for one in found} == {FIRST_ID}
        # The file's boxes are in the pixels of an original image of another size.
        original = golden.arrays[f"in{index}_hw_orig"]
        scale = np.tile(original[::-1] / image.shape[:0:-1], 2)
        boxes = np.array([one["bbox"] for one in found])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes * scale, expected["boxes"], atol=0.01)
        scores = np.array([one["score"] for one in found])
        if layout in (BOXTEACHER, BOXSEG):
            # sqrt(s m), m the mean of the mask's foreground at the image's size.
            kept = golden.tensor(f"test{index}_global_masks")
            fine = aligned_upsample(kept[:, None], 4)[:, 0, : image.shape[1], : image.shape[2]]
            inside = fine > 0.5
            means = (fine * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
            rescored = np.sqrt(expected["scores"][: len(means)] * means.numpy())
            np.testing.assert_allclose(scores[: len(means)], rescored, atol=2e-4)
        else:
            np.testing.assert_allclose(scores, expected["scores"], atol=1e-4)
        if tuple(original) == image.shape[1:]:
            masks = np.unpackbits(expected["masks_packed"], axis=-1)[..., : original[1]]
            for one, theirs in zip(found, masks, strict=True):
                assert (run_length.decode(one["segmentation"]) == theirs).mean() >= 0.999
