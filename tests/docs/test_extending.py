"""docs/extending.md does what it says: its files and commands, outside of the checkout.

The test writes the page's files into a folder, and runs the page's commands there, in the page's
order and as they are printed but for `DIR`, which stands for the photographs of the dataset.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from experiments.configuration.extensions import Extensions, use
from experiments.run.dataset_by_name import dataset_on_disk
from tests.docs.commands import Command, commands
from tests.docs.pages import blocks
from tests.experiments.command_line import boxseg

PAGE = "docs/extending.md"


def files() -> dict[str, str]:
    """The page's complete files, by the name in their first line, or after `# @package`."""
    found = {}
    for block in blocks(PAGE):
        if block.language in ("python", "yaml"):
            name = re.match(r"(?:# @package \S+\n)?# (\S+)\n", block.text)
            assert name is not None, f"the file of line {block.line} has no name"
            assert name[1] not in found
            found[name[1]] = block.text
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the page, in a folder that the commands are run in."""
    place = tmp_path_factory.mktemp("mine")
    for name, content in files().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content, encoding="utf-8")
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("BOXSEG_DATA", str(tmp_path_factory.mktemp("datasets")))
        photographs(place / "photographs")
        yield place
    sys.path[:] = path
    use(Extensions())
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def photographs(folder: Path) -> None:
    """Scenes in the layout of the page's dataset."""
    dataset = dataset_on_disk("scenes", None, "smoke")
    (folder / "images").mkdir(parents=True)
    for name in ("train", "val"):
        split = dataset.split(name)
        content = json.loads(split.annotations.read_text())
        for image in content["images"]:
            renamed = f"{name}-{image['file_name']}"
            shutil.copy(split.images / image["file_name"], folder / "images" / renamed)
            image["file_name"] = renamed
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_every_kind_of_part_is_there() -> None:
    kinds = ("pseudo_labels", "losses", "table", "dataset", "segmenter", "method")
    assert {Path(name).parts[1] for name in files() if name.startswith("conf/")} == set(kinds)


def test_a_loss_takes_one_file_a_yaml_and_a_table() -> None:
    about = [name for name, text in files().items() if re.search(r"\bregion\b|RegionC", text)]
    assert about == [
        "mine/region.py",
        "conf/losses/region.yaml",
        "conf/table/region.yaml",
        "conf/method/boxinst-region.yaml",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(PAGE), ids=str)
def test_every_command_runs(command: Command, folder: Path) -> None:
    assert command.program == "boxseg"
    outcome = boxseg(*[word.replace("DIR", "photographs") for word in command.words])
    assert outcome.code == 0, outcome.err


@pytest.mark.slow
def test_the_parameter_of_the_loss_is_trained(folder: Path) -> None:
    flags = ("--config-dir", "conf", "--package", "mine", "scale=smoke", "run_dir=trained")
    words = ("method=boxseg", "segmenter=center", "losses=region", "labels_teach=false")
    outcome = boxseg("train", *flags, *words)
    assert outcome.code == 0, outcome.err
    checkpoint = torch.load(folder / "trained" / "checkpoint.pt", weights_only=True)
    learned = checkpoint["model"]["student.mask_losses.region.channel_logits"]
    averaged = checkpoint["model"]["teacher.mask_losses.region.channel_logits"]
    assert learned.any()  # it starts as zeros
    assert averaged.any()
    assert (averaged != learned).any()


@pytest.mark.parametrize("word", ["pseudo_labels=ellipse", "segmenter=center"])
def test_without_the_flag_the_package_is_refused(word: str, folder: Path) -> None:
    refused = boxseg("train", "--config-dir", "conf", "scale=smoke", "method=boxseg", word)
    assert "--package mine" in refused.complaint


def test_a_host_without_mask_features_is_refused_to_sim(folder: Path) -> None:
    words = ("--config-dir", "conf", "--package", "mine", "scale=smoke")
    refused = boxseg("train", *words, "method=sim", "segmenter=center")
    assert "needs mask features" in refused.complaint
