"""Importing mmdet, also where mmcv comes without its compiled operators.

mmdet 3.3 wants mmcv below 2.2, whose operators no longer compile against a current torch. mmcv-lite
carries the same Python without them, and `import mmdet.models` fails for want of `mmcv._ext`. So
where that module is missing a stand-in takes its place: it answers with torchvision's operators for
what mmdet's BoxInst uses, and says what is missing for everything else. A real `mmcv._ext` is never
touched. Nothing of mmdet is imported before `import_mmdet` is called.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms as torchvision_nms
from torchvision.ops import sigmoid_focal_loss

from boxseg.errors import InputError

EXTENSION = "mmcv._ext"
REMEDY = "run `make setup EXTRAS=mmdet`"


def import_mmdet() -> ModuleType:
    """The package mmdet with its `models`, ready for use.

    Raises:
        InputError: mmdet or something it needs is not installed or does not import.
    """
    for package in ("mmdet", "mmengine", "mmcv"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"methods with mmdet as their host need the package {package}, which is not "
                f"installed; {REMEDY}."
            )
    try:
        if EXTENSION not in sys.modules and importlib.util.find_spec(EXTENSION) is None:
            sys.modules[EXTENSION] = OperatorStandIn(EXTENSION)
        importlib.import_module("mmdet.models")
    # Old code on new packages fails with any exception at all.
    except Exception as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no word"
        raise InputError(
            f"mmdet is installed but does not import ({type(error).__name__}: {reason}); {REMEDY}."
        ) from error
    from mmengine.logging import MMLogger

    # Below that level it reports how every tensor was initialised.
    MMLogger.get_current_instance().setLevel("WARNING")
    return importlib.import_module("mmdet")


class OperatorStandIn(ModuleType):
    """A module of operators: those of `OPERATORS`, and for any other name one that refuses."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return OPERATORS.get(name) or _refusal(name)


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise InputError(
            f"mmcv's compiled operator {name} is not available with mmcv-lite; install a full mmcv "
            "built for this torch, or use a model without it."
        )

    return refuse


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes (N, 4) that survive suppression, best score first: int64 (K,).

    Raises:
        InputError: boxes that include their last pixel (`offset` 1), which torchvision has not.
    """
    if offset:
        raise InputError("non-maximum suppression with offset 1 needs a full mmcv; use offset 0.")
    return torchvision_nms(boxes, scores, iou_threshold)


def focal_loss_forward(
    logits: Tensor, labels: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the sigmoid focal loss of every entry into `output` (A, classes).

    Args:
        logits: (A, classes).
        labels: int64 (A,), the class, or `classes` for background.
        weight: (classes,) of the classes, or empty.
        output: (A, classes).
        gamma, alpha: of the loss.
    """
    output.copy_(_focal_loss(logits, labels, weight, gamma, alpha))


def focal_loss_backward(
    logits: Tensor, labels: Tensor, weight: Tensor, gradient: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each entry's loss by its logit into `gradient` (A, classes)."""
    with torch.enable_grad():
        inputs = logits.detach().requires_grad_()
        total = _focal_loss(inputs, labels, weight, gamma, alpha).sum()
        gradient.copy_(torch.autograd.grad(total, inputs)[0])


def _focal_loss(
    logits: Tensor, labels: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    classes = torch.arange(logits.shape[1], device=logits.device)
    targets = (labels[:, None] == classes).to(logits.dtype)
    losses = sigmoid_focal_loss(logits, targets, alpha, gamma)
    return losses * weight if weight.numel() else losses


OPERATORS: dict[str, Callable[..., Any]] = {
    "nms": nms,
    "sigmoid_focal_loss_forward": focal_loss_forward,
    "sigmoid_focal_loss_backward": focal_loss_backward,
}
"""What mmdet's BoxInst calls, on any device."""
