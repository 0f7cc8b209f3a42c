"""CondInst, the segmenter that every method here is built on (Tian et al., ECCV 2020)."""

from boxseg.condinst.model import CondInst, Features

__all__ = ["CondInst", "Features"]
