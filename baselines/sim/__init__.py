"""SIM (Li et al., CVPR 2023): semantic-aware pseudo masks from class prototypes."""

from __future__ import annotations

from baselines.sim.copy_paste import ImageBankCopyPaste
from baselines.sim.labels import SelfCorrection, SemanticLabeller
from baselines.sim.losses import PastedMaskLoss, PseudoMaskFocal, SemanticBoxSupervision
from baselines.sim.prototypes import Prototypes, SinkhornAssignment

__all__ = [
    "ImageBankCopyPaste",
    "PastedMaskLoss",
    "Prototypes",
    "PseudoMaskFocal",
    "SelfCorrection",
    "SemanticBoxSupervision",
    "SemanticLabeller",
    "SinkhornAssignment",
]
