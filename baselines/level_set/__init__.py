"""Level sets in boxes (BoxLevelSet, Li et al., ECCV 2022; Box2Mask, Li et al., TPAMI 2024)."""

from __future__ import annotations

from baselines.level_set.losses import BoxProjection, LevelSetLoss, LevelSetTerms
from baselines.level_set.tree_filter import tree_filter

__all__ = ["BoxProjection", "LevelSetLoss", "LevelSetTerms", "tree_filter"]
