"""The examples run, and what they show is so."""

from __future__ import annotations

import copy
import importlib.util
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from boxseg.peer_copy_paste import PeerCopyPaste
from boxseg.quality_aware import QualityAwareModule

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "plug_in_torchvision.py"
BOX = torch.tensor([[4.0, 2.0, 26.0, 30.0]])


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plug_in_torchvision", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def models() -> tuple[MaskRCNN, MaskRCNN]:
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5)
    few = {"rpn_post_nms_top_n_train": 30, "rpn_post_nms_top_n_test": 30}
    student = MaskRCNN(backbone, 3, min_size=32, max_size=32, box_score_thresh=0.0, **few)
    teacher = copy.deepcopy(student).eval()
    teacher.roi_heads.nms_thresh = 1.0
    return student, teacher


def batch() -> list[Any]:
    return [(torch.randint(256, (3, 32, 32)).byte(), BOX, torch.tensor([n])) for n in (1, 2)]


def test_it_runs_and_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    assert "'loss_mask': 0." in printed
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60


def test_pseudo_masks_teach_and_objects_are_pasted(example: ModuleType) -> None:
    student, teacher = models()
    # An untrained network's scores are near a third, so the bar for tutors is lower than that.
    easy = {"min_quality": 0.1, "min_score": 0.1, "min_area": 50}
    pc = PeerCopyPaste(probability=1.0, warmup_iterations=0, **easy)
    images = batch()
    first, none = example.training_step(student, teacher, QualityAwareModule(), pc, images, 1)
    assert (none["pastes"], none["bank_size"]) == (0, 2)  # tutors come from earlier batches
    optimizer = torch.optim.SGD(student.parameters(), 0.01)
    torch.stack(list(first.values())).sum().backward()
    assert first["loss_mask"] > 0
    for part in (student.backbone, student.roi_heads.mask_head, student.rpn):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    optimizer.step()
    _, pasted = example.training_step(student, teacher, QualityAwareModule(), pc, images, 2)
    assert pasted["pastes"] == 2


def test_a_mask_nobody_proposes_teaches_nothing(example: ModuleType) -> None:
    student, teacher = models()
    teacher.roi_heads.score_thresh = 1.0
    pc = PeerCopyPaste(probability=0.0)
    losses, _ = example.training_step(student, teacher, QualityAwareModule(), pc, batch(), 1)
    assert losses["loss_mask"] == 0
    assert losses["loss_classifier"] > 0
