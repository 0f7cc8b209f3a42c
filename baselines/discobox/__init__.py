"""DiscoBox (Lan et al., ICCV 2021): self-training on the mean field of one's own masks."""

from __future__ import annotations

from baselines.discobox.cross_image import CrossImageSupervision
from baselines.discobox.gates import Gate, LevelGate, ScheduledGate
from baselines.discobox.losses import DiscoBoxSupervision
from baselines.discobox.mean_field import BinaryMeanField, MeanField, SoftMeanField
from baselines.discobox.object_bank import Likeness, ObjectBank

__all__ = [
    "BinaryMeanField",
    "CrossImageSupervision",
    "DiscoBoxSupervision",
    "Gate",
    "LevelGate",
    "Likeness",
    "MeanField",
    "ObjectBank",
    "ScheduledGate",
    "SoftMeanField",
]
