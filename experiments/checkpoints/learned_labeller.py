"""A labeller that first learns from the boxes that it is to label, and from their pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.cutouts.cutout_masks import CutoutMasks
from boxseg.cutouts.known_boxes import KnownBoxes
from boxseg.cutouts.learned_masks import learned_masks
from boxseg.cutouts.learning import BATCH, CutoutLearning
from boxseg.cutouts.network import CutoutNetwork
from boxseg.data.image_reader import ImageReader
from boxseg.engine.checkpoint import read_saved
from boxseg.engine.image_progress import ImageProgress
from boxseg.errors import InputError
from boxseg.files import atomic_path
from boxseg.trivial_masks import boxes_of_record
from experiments.checkpoints.annotation_parts import SplitToLabel
from experiments.checkpoints.box_labeller import CutoutLabeller

MOST_OBJECTS = 5000
"""That are learnt from, of images drawn by the seed: they take 0.13 MB of memory each."""
ROUNDS, PASSES = 4, 5
"""Of the learning, and over the objects in each; `experiments/conf/scale/photos.md` has others."""
LEAST_ITERATIONS, MOST_ITERATIONS = 100, 500
"""Of a round, however many objects there are."""
ITERATIONS_BETWEEN_SAVES = 50


def learned_labeller(
    works: Sequence[SplitToLabel], file: Path, seed: int, device: torch.device
) -> CutoutLabeller:
    """Learn from the boxes of some splits, or go on with that, and give what labels them.

    Args:
        works: the splits, with at least one box that wants a mask.
        file: that what is learnt is kept in.
        seed: of the learning, from 0.
        device: to compute on.

    Raises:
        InputError: none of the images can be read, or `file` cannot be read or written.
    """
    names = _names_of(works)
    torch.manual_seed(seed)  # what is not of ImageNet begins at random
    network = CutoutNetwork(len(names)).to(device)
    remedy = "remove it, and what was learnt is learnt again"
    state: dict[str, Any] = read_saved(file, remedy) if file.is_file() else {}
    if state and "labels" not in state:  # it was learnt to the end
        network.load_state_dict(state["network"])
    else:
        objects = _objects(works, names, seed)
        iterations = min(max(PASSES * len(objects) // BATCH, LEAST_ITERATIONS), MOST_ITERATIONS)
        learning = CutoutLearning(network, objects, ROUNDS, iterations, seed)
        if state and len(state["labels"]) == len(objects):
            learning.restore(state)
        _learn(learning, file)
    network.eval()

    def masks(image: np.ndarray, boxes: Tensor, classes: Tensor) -> CutoutMasks:
        return learned_masks(image, boxes, classes, network)

    return CutoutLabeller(masks, names)


def _names_of(works: Sequence[SplitToLabel]) -> list[str]:
    """The names of all splits' categories, each once."""
    return list(dict.fromkeys(one.name for work in works for one in work.content.categories))


def _objects(works: Sequence[SplitToLabel], names: Sequence[str], seed: int) -> KnownBoxes:
    """What is learnt from, on the CPU."""
    images = [(work, image) for work in works for image in work.wanted]
    random.Random(seed).shuffle(images)
    reader = ImageReader("RGB", max_bytes=0)
    place = {name: number for number, name in enumerate(names)}
    parts: list[KnownBoxes] = []
    count = 0
    with ImageProgress("cutting out", len(images)) as progress:
        for work, image in images:
            progress.update()
            if count >= MOST_OBJECTS:
                break
            classes = {one.id: place[one.name] for one in work.content.categories}
            record = work.record(image, classes)
            try:
                pixels = reader(record)
            except InputError:  # it is told when its boxes are to be labelled
                continue
            own = torch.tensor([one["category_id"] for one in record["annotations"]])
            parts.append(KnownBoxes.of(pixels, boxes_of_record(record), own, torch.device("cpu")))
            count += len(own)
    if not parts:
        raise InputError(
            f"none of the {len(images)} images with boxes can be read, so there is nothing to "
            "learn from; check the folder, or leave out --learn."
        )
    return KnownBoxes.cat(parts)


def _learn(learning: CutoutLearning, file: Path) -> None:
    """Learn to the end; a call that is interrupted loses no more than it does between saves."""
    left = learning.total - learning.done
    with ImageProgress("learning", left, unit="step") as progress:
        for _ in range(left):
            learning.step()
            progress.update()
            if learning.done % ITERATIONS_BETWEEN_SAVES == 0 or learning.done == learning.total:
                whole = learning.done == learning.total
                state = learning.state()
                kept = {name: state[name] for name in ("done", "network")} if whole else state
                with atomic_path(file) as temporary:
                    torch.save(kept, temporary)
