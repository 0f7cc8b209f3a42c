"""SOLOv2 as a host: the segmenter of Box2Mask-C and of DiscoBox (Wang et al., NeurIPS 2020)."""

from baselines.solov2.candidates import CandidateSelection
from baselines.solov2.head import MaskFeatures, SOLOv2Head
from baselines.solov2.model import SOLOv2
from baselines.solov2.targets import BestCells, CellTargets, CentralCells, LastObjectsCells

__all__ = [
    "BestCells",
    "CandidateSelection",
    "CellTargets",
    "CentralCells",
    "LastObjectsCells",
    "MaskFeatures",
    "SOLOv2",
    "SOLOv2Head",
]
