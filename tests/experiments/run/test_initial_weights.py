"""Starting from a pretrained backbone: from where, and what a deformable network leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from boxseg.backbones.resnet import resnet
from boxseg.errors import InputError
from experiments.configuration.compose import compose
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.initial_weights import load_initial_weights


class Segmenter(nn.Module):
    """As much of one as has a bottom-up network."""

    def __init__(self, deformable: bool) -> None:
        super().__init__()
        stages = [5] if deformable else []
        self.backbone = nn.ModuleDict({"bottom_up": resnet(50, deformable_stages=stages)})


def config_of(weights: dict[str, str], asked: str | None = None) -> RunConfiguration:
    config = compose(["scale=paper", "dataset=coco", "backbone=r101-dcn"])
    scale = config.scale.model_copy(update={"initial_weights": weights})
    return config.changed(scale=scale, initial_weights=asked)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain network, every number of it 0.25."""
    state = resnet(50).state_dict()
    file = tmp_path_factory.mktemp("weights") / "R-50.pt"
    torch.save({name: torch.full_like(tensor, 0.25) for name, tensor in state.items()}, file)
    return file


@pytest.mark.parametrize("deformable", [False, True])
def test_a_backbone_starts_from_the_scale_s_own_file(file: Path, deformable: bool) -> None:
    model = Segmenter(deformable)
    load_initial_weights(model, config_of({"r101-dcn": str(file)}))
    for name, tensor in model.state_dict().items():
        assert bool((tensor == (0 if ".offset." in name else 0.25)).all()), name


def test_what_is_asked_for_goes_first(file: Path) -> None:
    config = config_of({"r101-dcn": "nowhere.pt"}, asked=str(file))
    model = Segmenter(deformable=False)
    load_initial_weights(model, config)
    assert float(model.state_dict()["backbone.bottom_up.stem.conv1.weight"][0, 0, 0, 0]) == 0.25


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"r101-dcn": "nowhere.pt"}, "initial_weights=FILE, or keep it at nowhere.pt"),
        ({}, r"initial_weights=FILE \(`boxseg weights import`"),
    ],
)
def test_weights_that_are_not_there(weights: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_initial_weights(Segmenter(deformable=False), config_of(weights))
    assert "starts from an ImageNet-pretrained backbone; give its state" in str(caught.value)
