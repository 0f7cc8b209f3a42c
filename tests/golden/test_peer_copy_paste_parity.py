"""Parity with the pieces of the released copy-paste's strategy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from boxseg.box_masks import mask_areas
from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste import Admission, ReleasedCopyPaste
from boxseg.peer_copy_paste.released import ReleasedBank
from tests.golden.files import Golden, each, each_piece, files, needs
from tests.golden.samples import sample_of, variant_seed

PIECES = files("case4_boxseg_pieces")
MODELS = files("case4_boxseg_model")

pytestmark = needs(PIECES, MODELS)


def bank_scene(golden: Golden, scene: object) -> TrainingSample:
    prefix = f"bank_{scene}"
    masks = golden.tensor(f"{prefix}_masks") > 0.5
    count, height, width = masks.shape
    return TrainingSample(
        image=torch.zeros(3, height, width, dtype=torch.uint8),
        boxes=golden.tensor(f"{prefix}_boxes"),
        classes=golden.tensor(f"{prefix}_labels").long(),
        masks=masks,
        quality=golden.tensor(f"{prefix}_mask_scores"),
        scores=golden.tensor(f"{prefix}_scores"),
        valid=torch.ones(count, dtype=torch.bool),
        pasted=torch.zeros(count, dtype=torch.bool),
    )


@pytest.mark.parametrize(("file", "scene"), each_piece(PIECES, "bank_", "_boxes"))
def test_admission(file: Path, scene: str) -> None:
    golden = Golden.load(file)
    sample = bank_scene(golden, scene)
    ious = box_iou(sample.boxes, sample.boxes)
    np.testing.assert_allclose(ious, golden.arrays[f"bank_{scene}_iou_matrix"], atol=1e-6)
    np.testing.assert_array_equal(mask_areas(sample.masks), golden.arrays[f"bank_{scene}_areas"])
    admitted = golden.arrays[f"bank_{scene}_admitted"].astype(bool)
    np.testing.assert_array_equal(Admission()(sample), admitted)


@pytest.mark.parametrize("file", each(PIECES))
def test_bank_trace(file: Path) -> None:
    golden = Golden.load(file)
    capacity = golden.told("desc", rf"\b(\d+) \(variant {golden.meta['variant']}\)")
    copy_paste = ReleasedCopyPaste(seed=variant_seed(golden, Golden.load(MODELS[0])))
    bank = ReleasedBank(int(capacity), Admission())
    for step in golden.meta["bank_trace"]:
        scene = bank_scene(golden, step["scene"])
        before = list(bank.entries)
        added = bank.add(scene, copy_paste.keys)
        after = [list(key) for key in bank.entries]
        assert added == bool(step["added"])
        assert after == step["bank_keys_after"]
        assert [list(key) for key in before if key not in bank.entries] == step["evicted"]
        assert Admission()(scene).tolist() == step["admitted"]


@pytest.mark.parametrize(("file", "index"), each_piece(PIECES, "paste_", "_dst_img"))
def test_paste(file: Path, index: str) -> None:
    golden = Golden.load(file)
    trace = next(t for t in golden.meta["paste_trace"] if t.get("case") == int(index))
    copy_paste = ReleasedCopyPaste(kind=trace["type"], seed=trace["seed"])
    source = sample_of(golden, f"paste_{index}_src")
    copy_paste.bank.entries[tuple(source.classes.tolist())] = source
    sample = sample_of(golden, f"paste_{index}_dst")

    result, outcome = copy_paste.transform(sample, trace["iter"])

    assert outcome == trace["status"]
    assert [list(key) for key in copy_paste.bank.entries] == trace["bank_after"]
    if outcome != "pasted":
        assert result is sample
        return
    assert_equals(golden, f"paste_{index}_out", result)
    np.testing.assert_array_equal(result.classes, golden.arrays[f"paste_{index}_out_labels"])
    np.testing.assert_array_equal(result.quality, golden.arrays[f"paste_{index}_out_mask_scores"])
    shifted = f"paste_{index}_shifted_src"
    count = len(golden.arrays[f"{shifted}_labels"])
    assert result.pasted.tolist() == [False] * (len(result) - count) + [True] * count
    np.testing.assert_array_equal(result.boxes[result.pasted], golden.arrays[f"{shifted}_box"])
    np.testing.assert_array_equal(result.classes[result.pasted], golden.arrays[f"{shifted}_labels"])
    kept = golden.tensor(f"paste_{index}_kept_dst").bool()
    assert kept.tolist() == trace["kept_dst"]
    assert len(sample.scores.unique()) == len(sample)  # so they tell the objects apart
    assert torch.equal(result.scores[~result.pasted], sample.scores[kept])


@pytest.mark.parametrize(("file", "index"), each_piece(PIECES, "occl_", "_dst_img"))
def test_occlusion_filter(file: Path, index: str) -> None:
    golden = Golden.load(file)
    sample = sample_of(golden, f"occl_{index}_dst")
    # The objects' order in what remains shows which were kept.
    sample = replace(sample, classes=torch.arange(len(sample)))
    result = ReleasedCopyPaste().paste(sample, sample_of(golden, f"occl_{index}_src"))
    assert_equals(golden, f"occl_{index}_out", result)
    kept = golden.arrays[f"occl_{index}_kept_dst"].nonzero()[0]
    assert result.classes[~result.pasted].tolist() == kept.tolist()


def assert_equals(golden: Golden, prefix: str, result: TrainingSample) -> None:
    np.testing.assert_array_equal(result.image, golden.arrays[f"{prefix}_img"])
    np.testing.assert_array_equal(result.boxes, golden.arrays[f"{prefix}_boxes"])
    assert torch.equal(result.masks, golden.bits(f"{prefix}_masks_packed", result.image.shape[2]))
