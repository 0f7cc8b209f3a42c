"""Masks enlarged part by part are what they are all together, to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.full_size_masks import full_size_masks
from boxseg.mask_rescoring import mask_aware_scores

STRIDE = 4


def detections(count: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Smooth random probabilities at the masks' stride, with padding, and scores."""
    generator = torch.Generator().manual_seed(count)
    coarse = torch.randn(count, 1, 5, 6, generator=generator) * 4
    cells = (size[0] // STRIDE + 3, size[1] // STRIDE + 2)
    maps = F.interpolate(coarse, size=cells, mode="bilinear")[:, 0]
    return maps.sigmoid(), torch.rand(count, generator=generator)


def all_together(probabilities: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Tensor:
    """Probabilities (K, H, W) at the original size."""
    fine = aligned_upsample(probabilities[:, None], STRIDE)[..., : size[0], : size[1]]
    if size != original:
        fine = F.interpolate(fine, size=original, mode="bilinear", align_corners=False)
    return fine[:, 0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 12])
@pytest.mark.parametrize(
    ("size", "original"),
    [((64, 96), (64, 96)), ((64, 96), (257, 383)), ((61, 90), (61, 90)), ((128, 170), (45, 61))],
    ids=["same", "larger", "same-odd", "smaller"],
)
def test_parts_are_bitwise_the_whole(
    count: int, size: tuple[int, int], original: tuple[int, int], threads: int
) -> None:
    """Two, three and four masks at once; twelve are cut evenly by them, seven by none."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        probabilities, scores = detections(count, size)
        fine = all_together(probabilities, size, original)
        expected = mask_aware_scores(scores, fine)
        pixels = max(size[0] * size[1], original[0] * original[1])
        for at_once in (1, 2 * pixels, 3 * pixels, 4 * pixels, 10**9):
            masks, rescored = full_size_masks(
                probabilities, scores, STRIDE, size, original, mask_aware_scores, at_once
            )
            assert torch.equal(masks.dense(), fine > 0.5)
            assert torch.equal(rescored, expected)
            masks, kept = full_size_masks(
                probabilities, scores, STRIDE, size, original, at_once=at_once
            )
            assert torch.equal(masks.dense(), fine > 0.5)
            assert torch.equal(kept, scores)
    finally:
        torch.set_num_threads(before)


def photograph(folder: Path, width: int, height: int, objects: int) -> None:
    """A folder in COCO's format: one image with objects in rows of fourteen, trained on, too."""
    across, down = width // 14, height // -(-objects // 14)
    grey = np.random.default_rng(0).integers(60, 200, (height // 50, width // 50, 3), np.uint8)
    places = [(n % 14 * across, n // 14 * down) for n in range(objects)]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "bbox": [x, y, across - 10, down - 10],
            "segmentation": [[x, y, x + across - 10, y, x + across - 10, y + down - 10]],
        }
        for number, (x, y) in enumerate(places, start=1)
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }
    for split in ("train", "annotations"):
        (folder / split).mkdir(parents=True)
    Image.fromarray(grey).resize((width, height)).save(folder / "train" / "a.jpg")
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(content))


# A process's own high-water mark: `ru_maxrss` of a child begins with its parent's.
MEASURED = """
import sys
from pathlib import Path
from experiments.cli import main
code = main(sys.argv[1:])
(line,) = [s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM")]
print(line)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_photograph_of_12_megapixels_trains_and_evaluates_in_little_memory(
    tmp_path: Path,
) -> None:
    """With scores made of the masks, the most that an evaluation does with them."""
    photograph(tmp_path / "data", 4000, 3000, 98)
    words = [
        *("train", "method=boxteacher", "dataset=coco-folder", "scale=smoke", "schedule=1x"),
        *(f"root={tmp_path / 'data'}", f"run_dir={tmp_path / 'run'}"),
        # An untrained detector is unsure of everything and finds the same box again and again.
        *("segmenter.detector.score_threshold=0.0001", "segmenter.detector.nms_threshold=0.99"),
        "segmenter.detector.max_detections=112",  # some lie outside of the image
    ]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "predictions.json").read_text())
    assert len(found) >= 90
    assert found[0]["segmentation"]["size"] == [3000, 4000]
    kibibytes = int(done.stdout.split("VmHWM:")[1].split()[0])
    assert kibibytes < 2.5 * 2**20
