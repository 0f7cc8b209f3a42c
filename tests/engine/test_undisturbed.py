"""A model that is looked at in the middle of its training does not notice."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from boxseg.engine.undisturbed import undisturbed


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_generators_go_on_where_they_were() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = [draws(), draws()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    found = [draws()]
    with undisturbed(nn.Identity()):
        assert draws() == wanted[1]
        draws()
    assert [*found, draws()] == wanted


def test_every_module_s_mode_is_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()))
    model.train()
    model[1][0].eval()  # frozen, as no call of `train` would leave it
    before = [module.training for module in model.modules()]
    with undisturbed(model):
        model.eval()
        model(torch.ones(3, 2))
    assert (
        [module.training for module in model.modules()] == before == [True, True, True, False, True]
    )
    assert model[0].num_batches_tracked == 0


def test_also_after_an_error() -> None:
    model = nn.Dropout()
    try:
        with undisturbed(model):
            model.eval()
            raise KeyError
    except KeyError:
        pass
    assert model.training
