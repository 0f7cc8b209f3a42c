"""The affinity term of the released BoxSeg with its option for soft affinities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from boxseg.pseudo_mask_losses import PseudoMaskAffinity


class SoftPseudoMaskAffinity(PseudoMaskAffinity):
    """`PseudoMaskAffinity` over all pairs inside the box, weighted by exp(-|m_p - m_q|).

    On a binary pseudo mask m the weight is 1 for pairs that agree and 1 / e for the others. The
    released configurations set `MASK_AFFINITY_BINARY`, which keeps weights above 0.5 alone, and
    those as 1: the agreeing pairs. The form was read off the released code's numbers.
    """

    def related_pairs(self, masks: Tensor) -> Sequence[Tensor]:
        """Weights of pixel pairs, 1 or 1 / e, for masks bool (N, h, w)."""
        agreeing = super().related_pairs(masks)
        return [torch.where(related, 1.0, math.exp(-1)) for related in agreeing]
