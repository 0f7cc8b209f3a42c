"""Parity of the released copy-paste's strategy with the golden pieces, whatever their variant."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste import Admission, ReleasedCopyPaste
from boxseg.peer_copy_paste.released import ReleasedBank
from tests.golden.models import Golden

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BOXSEG_GOLDEN", ROOT.parent / "shared" / "golden" / "dev"))
PIECES = sorted(FOLDER.glob("case4_boxseg_pieces*.npz"))
MODELS = sorted(FOLDER.glob("case4_boxseg_model*.npz"))
VARIANT_SEEDS = {"a": 101, "b": 202}
VARIANT_CAPACITIES = {"a": 3, "b": 2}

pytestmark = pytest.mark.skipif(
    not PIECES, reason=f"no golden files in {FOLDER}; set BOXSEG_GOLDEN to their folder"
)


def indices(file: Path, prefix: str, suffix: str) -> list[int]:
    names = [n for n in np.load(file).files if n.startswith(prefix) and n.endswith(suffix)]
    return sorted(int(n.removeprefix(prefix).removesuffix(suffix)) for n in names)


SCENES = [pytest.param(f, id=f.stem) for f in PIECES]
PASTES = [
    pytest.param(f, i, id=f"{f.stem}-{i}") for f in PIECES for i in indices(f, "paste_", "_dst_img")
]
OCCLUSIONS = [
    pytest.param(f, i, id=f"{f.stem}-{i}") for f in PIECES for i in indices(f, "occl_", "_dst_img")
]


def unpacked(arrays: Any, name: str, width: int) -> Tensor:
    bits = np.unpackbits(arrays[name], axis=-1)[..., :width]
    return torch.from_numpy(bits.astype(bool))


def sample_of(arrays: Any, prefix: str) -> TrainingSample:
    """A sample of the arrays of this prefix; what they do not give is 0."""
    boxes = torch.from_numpy(arrays[f"{prefix}_boxes"])
    image = torch.from_numpy(arrays[f"{prefix}_img"])

    def values(name: str) -> Tensor:
        key = f"{prefix}_{name}"
        return torch.from_numpy(arrays[key]) if key in arrays.files else torch.zeros(len(boxes))

    return TrainingSample(
        image=image,
        boxes=boxes,
        classes=values("labels").long(),
        masks=unpacked(arrays, f"{prefix}_masks_packed", image.shape[2]),
        quality=values("mask_scores"),
        scores=values("scores"),
        valid=torch.ones(len(boxes), dtype=torch.bool),
        pasted=torch.zeros(len(boxes), dtype=torch.bool),
    )


def bank_scene(arrays: Any, scene: int) -> TrainingSample:
    prefix = f"bank_{scene}"
    masks = torch.from_numpy(arrays[f"{prefix}_masks"]) > 0.5
    count, height, width = masks.shape
    return TrainingSample(
        image=torch.zeros(3, height, width, dtype=torch.uint8),
        boxes=torch.from_numpy(arrays[f"{prefix}_boxes"]),
        classes=torch.from_numpy(arrays[f"{prefix}_labels"]).long(),
        masks=masks,
        quality=torch.from_numpy(arrays[f"{prefix}_mask_scores"]),
        scores=torch.from_numpy(arrays[f"{prefix}_scores"]),
        valid=torch.ones(count, dtype=torch.bool),
        pasted=torch.zeros(count, dtype=torch.bool),
    )


@pytest.mark.parametrize("file", SCENES)
def test_admission(file: Path) -> None:
    arrays = np.load(file)
    for scene in indices(file, "bank_", "_boxes"):
        admitted = Admission()(bank_scene(arrays, scene))
        assert admitted.tolist() == arrays[f"bank_{scene}_admitted"].astype(bool).tolist(), scene


@pytest.mark.parametrize("file", SCENES)
def test_bank_trace(file: Path) -> None:
    golden = Golden.load(file)
    variant = golden.meta["variant"]
    copy_paste = ReleasedCopyPaste(seed=VARIANT_SEEDS[variant])
    bank = ReleasedBank(VARIANT_CAPACITIES[variant], Admission())
    for step in golden.meta["bank_trace"]:
        before = list(bank.entries)
        added = bank.add(bank_scene(golden.arrays, step["scene"]), copy_paste.keys)
        after = [list(key) for key in bank.entries]
        assert added == bool(step["added"])
        assert after == step["bank_keys_after"]
        assert [list(key) for key in before if key not in bank.entries] == step["evicted"]


@pytest.mark.parametrize(("file", "index"), PASTES)
def test_paste(file: Path, index: int) -> None:
    golden = Golden.load(file)
    arrays = golden.arrays
    trace = next(t for t in golden.meta["paste_trace"] if t.get("case") == index)
    copy_paste = ReleasedCopyPaste(kind=trace["type"], seed=trace["seed"])
    source = sample_of(arrays, f"paste_{index}_src")
    copy_paste.bank.entries[tuple(source.classes.tolist())] = source
    sample = sample_of(arrays, f"paste_{index}_dst")

    result, outcome = copy_paste.transform(sample, trace["iter"])

    assert outcome == trace["status"]
    assert [list(key) for key in copy_paste.bank.entries] == trace["bank_after"]
    if outcome != "pasted":
        assert result is sample
        return
    assert_equals(result, arrays, f"paste_{index}_out")
    assert np.array_equal(result.classes.numpy(), arrays[f"paste_{index}_out_labels"])
    assert np.array_equal(result.quality.numpy(), arrays[f"paste_{index}_out_mask_scores"])
    shifted = arrays[f"paste_{index}_shifted_src_box"]
    assert result.pasted.tolist() == [False] * (len(result) - len(shifted)) + [True] * len(shifted)
    assert np.array_equal(result.boxes[result.pasted].numpy(), shifted)


@pytest.mark.parametrize(("file", "index"), OCCLUSIONS)
def test_occlusion_filter(file: Path, index: int) -> None:
    arrays = np.load(file)
    sample = sample_of(arrays, f"occl_{index}_dst")
    # The objects' order in what remains shows which were kept.
    sample = replace(sample, classes=torch.arange(len(sample)))
    result = ReleasedCopyPaste().paste(sample, sample_of(arrays, f"occl_{index}_src"))
    assert_equals(result, arrays, f"occl_{index}_out")
    kept = arrays[f"occl_{index}_kept_dst"].nonzero()[0]
    assert result.classes[~result.pasted].tolist() == kept.tolist()


def assert_equals(result: TrainingSample, arrays: Any, prefix: str) -> None:
    width = result.image.shape[2]
    assert np.array_equal(result.image.numpy(), arrays[f"{prefix}_img"])
    assert np.array_equal(result.boxes.numpy(), arrays[f"{prefix}_boxes"])
    assert torch.equal(result.masks, unpacked(arrays, f"{prefix}_masks_packed", width))


@pytest.mark.parametrize("file", [pytest.param(f, id=f.stem) for f in MODELS])
def test_paste_within_the_model(file: Path) -> None:
    """The paste of the whole-model case: no rate, occlusion threshold 60, as its sidecar says."""
    golden = Golden.load(file)
    arrays = golden.arrays
    copy_paste = ReleasedCopyPaste(
        skipped=0.0, min_visible_area=60.0, seed=VARIANT_SEEDS[golden.meta["variant"]]
    )
    source = sample_of(arrays, "cpbank")
    copy_paste.bank.entries[tuple(source.classes.tolist())] = source
    for image in (0, 1):
        pixels = torch.from_numpy(arrays[f"in{image}_image"])
        pseudo = f"selfgt_vfl_warm1.0_pseudo{image}"
        boxes = torch.from_numpy(arrays[f"selfgt{image}_boxes"])
        quality = torch.from_numpy(arrays[f"{pseudo}_mask_scores"])
        sample = TrainingSample(
            image=pixels,
            boxes=boxes,
            classes=torch.from_numpy(arrays[f"selfgt{image}_classes"]).long(),
            masks=unpacked(arrays, f"{pseudo}_masks_packed", pixels.shape[2]),
            quality=quality,
            scores=torch.from_numpy(arrays[f"{pseudo}_pred_scores"]),
            valid=quality > 0,
            pasted=torch.zeros(len(boxes), dtype=torch.bool),
        )
        result, outcome = copy_paste.transform(sample, 10_000)
        expected = f"selfgt_vfl_copypaste_warm1.0_cp{image}"
        assert (outcome == "pasted") == bool(arrays[f"{expected}_pasted"])
        assert np.array_equal(result.boxes.numpy(), arrays[f"{expected}_boxes"])
        assert np.array_equal(result.classes.numpy(), arrays[f"{expected}_classes"])
        assert np.allclose(result.quality.numpy(), arrays[f"{expected}_flags"], rtol=1e-6)
        if outcome == "pasted":
            assert np.array_equal(result.image.numpy(), arrays[f"{expected}_image"])
