"""What copy-pastes have in common, whatever they paste and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.peer_copy_paste.occlusion import VisibilityRule, VisibleBoxes


class SeededCopyPaste:
    """A copy-paste that happens with some probability and draws from a generator of its own.

    Args:
        probability: of pasting per image.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: a probability outside [0, 1].
    """

    def __init__(self, probability: float, visibility: VisibilityRule | None, seed: int) -> None:
        require_share("probability", probability)
        self.probability = probability
        self.visibility = visibility or VisibleBoxes()
        self.generator = torch.Generator().manual_seed(seed)

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens; drawn."""
        return float(torch.rand((), generator=self.generator)) < probability

    def state_dict(self) -> dict[str, Any]:
        """Where the random generator stands."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.generator.set_state(state["generator"].cpu())


def count_pasted(outcomes: Sequence[TrainingSample]) -> float:
    """Number of objects pasted into a batch."""
    return float(sum(int(outcome.pasted.sum()) for outcome in outcomes))


def require(name: str, value: str, known: Sequence[str]) -> None:
    """Check a choice.

    Raises:
        InputError: it is none of those known.
    """
    if value not in known:
        raise InputError(f"copy-paste's {name} is {value!r}; set it to one of {', '.join(known)}")


def require_share(name: str, value: float) -> None:
    """Check a share.

    Raises:
        InputError: it is outside [0, 1].
    """
    if not 0 <= value <= 1:
        raise InputError(f"copy-paste's {name} is {value}; set it to a number from 0 to 1")
