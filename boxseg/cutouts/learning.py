"""What many known boxes have in common, learnt from boxes and colours alone.

The colours of one box err, but not in the same way as those of another: a network that is shown all
of them learns what objects look like, and not the errors. Its belief then takes the ellipse's place
in the colours of each box, which gives better labels for another round. From the second round on
objects are pasted on each other's cut-outs. No true mask is looked at.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxseg.box_supervision import projection_loss
from boxseg.cutouts.color_model import ColorModel
from boxseg.cutouts.known_boxes import KnownBoxes
from boxseg.cutouts.learned_masks import FAITH, beliefs
from boxseg.cutouts.network import CutoutNetwork
from boxseg.cutouts.peer_pasting import LabeledCutouts, with_peers
from boxseg.engine.solver import adamw, one_cycle_schedule

FIRST_PRIOR = 0.3
"""Of the colours that the first round learns from: a strong one would be learnt with them."""
BATCH = 32
RATE, BACKBONE_FACTOR, WEIGHT_DECAY = 1e-3, 0.3, 0.01
PROJECTION = 0.5
"""Weight of the term by which a mask reaches all sides of its box (BoxInst's)."""
CLIP_NORM = 1.0
CONTRAST, SHIFT = 0.3, 25.0
"""Greatest change of a picture's contrast, and of its brightness in each channel."""


class CutoutLearning:
    """Trains a `CutoutNetwork` in rounds, each with labels by the network of the one before.

    What is drawn in an iteration depends on the seed and on its number alone.

    Args:
        network: to be trained, on the device to compute on.
        objects: at least one, whose boxes are known, on the CPU.
        rounds: how often labels are made.
        iterations: of a round.
        seed: from 0.
    """

    def __init__(
        self, network: CutoutNetwork, objects: KnownBoxes, rounds: int, iterations: int, seed: int
    ) -> None:
        self.network = network
        self.objects = objects
        self.round_iterations = iterations
        self.total = rounds * iterations
        self.seed = seed
        self.done = 0
        self.labels = torch.zeros(0)
        self._begin_training()  # `restore` needs what it fills

    def _begin_training(self) -> None:
        self.optimizer = adamw(self.network, RATE, BACKBONE_FACTOR, WEIGHT_DECAY)
        self.schedule = one_cycle_schedule(self.optimizer, self.round_iterations, 0.1)

    def _begin_round(self) -> None:
        if self.done == 0:
            logits = ColorModel(prior=FIRST_PRIOR).logits(self.objects.cutouts)
        else:
            self.network.eval()
            belief = FAITH * beliefs(self.network, self.objects)
            logits = ColorModel().logits(self.objects.cutouts, belief)
        self.labels = logits.sigmoid().half()
        self._begin_training()

    def step(self) -> None:
        """Learn from one batch; the first of a round makes the labels first."""
        if self.done % self.round_iterations == 0:
            self._begin_round()
        self.network.train()
        self.optimizer.zero_grad()
        self._loss().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.done += 1

    def _loss(self) -> Tensor:
        generator = torch.Generator().manual_seed((self.seed << 32) + self.done)
        chosen = torch.randint(len(self.objects), (BATCH,), generator=generator)
        device = next(self.network.parameters()).device
        objects = self._shown(chosen, torch.rand(BATCH, generator=generator) < 0.5, device)
        if self.done >= self.round_iterations:  # masks by colours alone are too poor to be pasted
            objects = with_peers(objects, generator)
        contrast = 1 + CONTRAST * (2 * torch.rand(BATCH, 1, 1, 1, generator=generator) - 1)
        shift = SHIFT * (2 * torch.rand(BATCH, 3, 1, 1, generator=generator) - 1)
        pictures = (objects.pictures - 127) * contrast.to(device) + 127 + shift.to(device)
        classes = self.objects.classes[chosen].to(device)
        logits = self.network(pictures.clamp(0, 255), classes, objects.others)
        inside = objects.inside
        apart = F.binary_cross_entropy_with_logits(logits, objects.labels, reduction="none")
        by_label = (apart * inside).sum() / inside.sum()
        in_box = logits.masked_fill(~inside, -20.0)
        by_sides = projection_loss(in_box, inside.any(dim=2), inside.any(dim=1)).mean()
        return by_label + PROJECTION * by_sides

    def _shown(self, chosen: Tensor, mirrored: Tensor, device: torch.device) -> LabeledCutouts:
        """Some of the objects, some of them mirrored."""

        def shown(maps: Tensor) -> Tensor:
            those = maps[chosen]
            aligned = mirrored.view(-1, *(1,) * (maps.ndim - 1))
            return torch.where(aligned, those.flip(-1), those).to(device)

        return LabeledCutouts(
            shown(self.objects.pictures).float(),
            shown(self.objects.others).float(),
            shown(self.objects.cutouts.inside),
            shown(self.labels).float(),
        )

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, tensors and plain values."""
        return {
            "done": self.done,
            "labels": self.labels,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of the same objects and settings."""
        self.done, self.labels = state["done"], state["labels"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
