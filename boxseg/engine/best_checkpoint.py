"""The checkpoint that scored best while training, kept beside the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from boxseg.engine.checkpoint import CheckpointWriter, read_checkpoint
from boxseg.engine.step_log import CRITERIA
from boxseg.errors import InputError

Scores = Mapping[str, float | None]
"""Of an evaluation: `segm/AP` and `bbox/AP` in per cent, and the number of `images`."""


def criterion(scores: Scores) -> str | None:
    """The name of the score that decides; None where the data define neither."""
    return next((name for name in CRITERIA if scores[name] is not None), None)


def scores_of_checkpoint(file: Path, config_sha256: str, images: int) -> Scores | None:
    """The scores that a checkpoint was kept for.

    Args:
        file: of the checkpoint; it need not be there.
        config_sha256: of the run's configuration.
        images: that new scores are measured on.

    Returns:
        None where they cannot be compared with new ones: there is no such checkpoint, or it is of
        another configuration, or was scored on other images.
    """
    try:
        content = read_checkpoint(file)
    except InputError:
        return None
    scores: Scores | None = content.get("scores")
    same = content["config_sha256"] == config_sha256
    return scores if same and scores and scores["images"] == images else None


class BestCheckpoint:
    """Decides, evaluation after evaluation, whether a model is to be kept.

    All processes of a run call it together, with the same scores.

    Args:
        writer: of the file.
        content: of a checkpoint after so many steps that has these scores; see
            `boxseg.engine.checkpoint.checkpoint_content`.
        scores: of the one that is there, if it can be compared.
    """

    def __init__(
        self,
        writer: CheckpointWriter,
        content: Callable[[int, Scores], memoryview | None],
        scores: Scores | None,
    ) -> None:
        self.writer = writer
        self.content = content
        self.scores = scores

    def offer(self, iteration: int, scores: Scores) -> bool:
        """Keep the model if it has a better score than all before; of equal ones the first stays.

        Returns:
            Whether it is kept.

        Raises:
            InputError: an earlier one could not be written.
        """
        name = criterion(scores)
        if name is None or not self._is_better(scores[name], name):
            return False
        self.scores = scores
        self.writer.write(iteration, self.content(iteration, scores))
        return True

    def _is_better(self, score: float | None, name: str) -> bool:
        before = None if self.scores is None else self.scores[name]
        return score is not None and (before is None or score > before)


def scores_sentence(scores: Scores) -> str:
    """The scores in a few words."""
    found = [
        f"{label} {score:.1f}"
        for name, label in CRITERIA.items()
        if (score := scores[name]) is not None
    ]
    return f"{', '.join(found) or 'no AP'} on {scores['images']} images"
