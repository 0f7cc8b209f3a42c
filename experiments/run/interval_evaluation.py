"""AP while training: of the model that the end will score, on a few images, always the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from boxseg.data.dataset import Dataset
from boxseg.data.image_reader import ImageReader
from boxseg.data.records import evaluation_images
from boxseg.engine.best_checkpoint import Scores, scores_of_checkpoint
from boxseg.engine.distributed import on_first_rank
from boxseg.engine.evaluation import KINDS, ground_truth, score_detections
from boxseg.engine.hooks import MetricWriter
from boxseg.engine.step_log import StepLog
from boxseg.engine.undisturbed import undisturbed
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.data import load_categories
from experiments.run.evaluation import detections

NAMES = ("AP", "AP50", "AP75")
"""Scores that so few images can give; those by the size of objects they cannot."""

PSEUDO_IOU = "pseudo_iou"
"""The name in `metrics.jsonl` of the mean IoU of a step's pseudo masks with the true ones."""

SEED = 0
"""Of the draw of images. It is no run's own, so that runs are looked at on the same images."""


def drawn(records: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """So many records, or all if there are fewer, in their order; more of them include fewer."""
    order = np.random.default_rng(SEED).permutation(len(records))
    return [records[index] for index in sorted(order[:number])]


class IntervalEvaluation:
    """Scores the model in the middle of its training, which goes on as if nobody had looked.

    All processes of a run call it together and share the images.

    Args:
        config: of the run.
        dataset: its data.
        reader: of the images.
        precision: that convolutions run in.
        metrics: what the training logs, for what pseudo masks were like since the last time.
        evaluations: its own log.
        writers: that take the scores besides.

    Raises:
        InputError: the evaluated split is malformed.
    """

    def __init__(
        self,
        config: RunConfiguration,
        dataset: Dataset,
        reader: ImageReader,
        precision: torch.dtype,
        metrics: StepLog,
        evaluations: StepLog,
        writers: Sequence[MetricWriter] = (),
    ) -> None:
        split = dataset.split(dataset.evaluate)
        self.config = config
        self.reader = reader
        self.precision = precision
        self.metrics = metrics
        self.evaluations = evaluations
        self.writers = writers
        self.records = drawn(evaluation_images(split), config.evaluation_images)
        self.category_ids = load_categories(dataset, split.name)
        chosen = frozenset(record["image_id"] for record in self.records)
        self.truth = ground_truth(split.annotations, chosen)

    def __call__(self, model: nn.Module, iteration: int) -> Scores:
        """Score the model after a step, and log what was found.

        Returns:
            In all processes, AP in per cent, None where the data do not define it.
        """
        began = time.perf_counter()
        with undisturbed(model):
            found = detections(
                model,
                self.config,
                self.records,
                self.category_ids,
                self.reader,
                self.precision,
                f"evaluating at step {iteration}",
            )
        return on_first_rank(lambda: self._logged(iteration, self._scored(found), began))

    def scores_kept(self, checkpoint: Path, config_sha256: str) -> Scores | None:
        """Those that a checkpoint was kept for, if new ones can be compared with them."""
        return scores_of_checkpoint(checkpoint, config_sha256, len(self.records))

    def _scored(self, found: list[dict[str, Any]]) -> Scores:
        factor = self.config.images.pixel_factor
        metrics = score_detections(self.truth, found, factor, replicates=0).metrics
        names = [f"{kind}/{name}" for kind in KINDS for name in NAMES]
        return {"images": len(self.records), **{name: metrics[name] for name in names}}

    def _logged(self, iteration: int, scores: Scores, began: float) -> Scores:
        seconds = {"seconds": round(time.perf_counter() - began, 2)}
        line = {**scores, **self._pseudo_iou(iteration), **seconds}
        self.evaluations.write(iteration, line)
        for writer in self.writers:
            found = {f"evaluation/{name}": scores[name] for name in scores if name != "images"}
            writer.write(iteration, found)
        return scores

    def _pseudo_iou(self, iteration: int) -> dict[str, float | None]:
        """The mean of what was logged since the last evaluation, where there are true masks."""
        since = self.evaluations.last().get("iteration", 0)
        logged = [
            line[PSEUDO_IOU]
            for line in self.metrics.lines()
            if since < line["iteration"] <= iteration and PSEUDO_IOU in line
        ]
        return {PSEUDO_IOU: sum(logged) / len(logged)} if logged else {}
