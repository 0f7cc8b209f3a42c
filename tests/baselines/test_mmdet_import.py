"""Importing mmdet: only when asked, with a stand-in for operators only where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision.ops import nms, sigmoid_focal_loss

from baselines.mmdet_import import (
    EXTENSION,
    OperatorStandIn,
    focal_loss_backward,
    focal_loss_forward,
    import_mmdet,
)
from boxseg.errors import InputError
from tests.experiments.command_line import train

REPOSITORY = Path(__file__).resolve().parents[2]


def test_importing_the_suite_imports_no_mmdet() -> None:
    code = """
import importlib, pkgutil, sys
import baselines, experiments.cli, experiments.run.execute
for module in pkgutil.walk_packages(baselines.__path__, "baselines."):
    importlib.import_module(module.name)
assert "baselines.mmdet_boxinst" in sys.modules
print(sorted({name.split(".")[0] for name in sys.modules} & {"mmdet", "mmengine", "mmcv"}))
"""
    words = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("package", ["mmdet", "mmengine", "mmcv"])
def test_without_mmdet_one_sentence_names_the_remedy(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package != "mmdet":
        pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("BOXSEG_DATA", str(tmp_path / "data"))
    complaint = train(tmp_path / "run", "method=mmdet-boxinst").complaint
    assert f"package {package}: not installed, which MMDetBoxInst needs" in complaint
    assert "; run `make setup EXTRAS=mmdet`" in complaint
    with pytest.raises(InputError, match=f"need the package {package}, which is not installed"):
        import_mmdet()


def test_a_broken_mmdet_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mmdet", "mmengine", "mmcv"):
        for loaded in [m for m in sys.modules if m.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError('MMCV 9 is too new.')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"does not import \(AssertionError: MMCV 9 is too new\)"):
        import_mmdet()


def test_a_real_extension_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")
    # It answers for every operator, as a compiled one does: mmcv asks when it is first imported.
    real = OperatorStandIn(EXTENSION)
    monkeypatch.setitem(sys.modules, EXTENSION, real)
    import_mmdet()
    assert sys.modules[EXTENSION] is real


def test_the_stand_in_refuses_what_it_has_not() -> None:
    module = OperatorStandIn(EXTENSION)
    assert callable(module.roi_pool_forward)
    with pytest.raises(InputError, match="compiled operator roi_pool_forward is not available"):
        module.roi_pool_forward(torch.zeros(1))
    assert not hasattr(module, "__path__")


def test_its_suppression_is_torchvisions() -> None:
    corners = torch.rand(50, 2) * 20
    boxes, scores = torch.cat((corners, corners + 8), dim=1), torch.rand(50)
    module = OperatorStandIn(EXTENSION)
    kept = module.nms(boxes, scores, iou_threshold=0.3, offset=0)
    assert torch.equal(kept, nms(boxes, scores, 0.3))
    with pytest.raises(InputError, match="offset 1"):
        module.nms(boxes, scores, iou_threshold=0.3, offset=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_its_focal_loss_and_derivative(weighted: bool) -> None:
    logits = torch.randn(6, 3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 3, 1])  # 3 is background
    weight = torch.tensor([1.0, 2.0, 0.5]).double() if weighted else logits.new_empty(0)
    inputs = logits.clone().requires_grad_()
    targets = torch.eye(4).double()[labels][:, :3]
    wanted = sigmoid_focal_loss(inputs, targets, 0.25, 2.0) * (weight if weighted else 1.0)
    wanted.sum().backward()
    output, gradient = torch.zeros(2, 6, 3, dtype=torch.float64)
    focal_loss_forward(logits, labels, weight, output, gamma=2.0, alpha=0.25)
    focal_loss_backward(logits, labels, weight, gradient, gamma=2.0, alpha=0.25)
    torch.testing.assert_close(output, wanted.detach())
    torch.testing.assert_close(gradient, inputs.grad)
