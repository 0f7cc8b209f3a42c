"""Every command that README and the pages print runs, or is listed here with why it is not run.

Commands are run in this process, in a folder that has what they name: photographs in COCO's format
(`DIR`), a finished run (`RUN`), a YOLO folder (`my-labels`), and links to the checkout's folders.
What they would take hours for is changed as little as possible, and told by the name of the test:

- `boxseg train` is composed as printed, with `--show-config`; and trained, at smoke scale and in a
  directory of its own, where its data are here.
- `boxseg reproduce` is expanded as printed, with `--dry-run`; one table is run at smoke scale.
- `boxseg annotate --learn` has nothing to learn: boxes there have masks. `test_annotate_learning`
  learns.
- Everything else runs as printed.

The commands of docs/extending.md are run by `test_extending`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from boxseg.weights.names import ADELAIDET
from experiments.commands.parser import parsed
from experiments.run.dataset_by_name import dataset_on_disk
from tests.docs.commands import PROGRAMS, Command, commands
from tests.docs.pages import PAGES, REPOSITORY, blocks, spans
from tests.experiments.command_line import boxseg, trained
from tests.weights.published import published_checkpoint, tiny_segmenter

ELSEWHERE = ("docs/extending.md",)

COCO = "needs COCO's download; tests/data/test_coco_2017.py prepares a small one"
VOC = "needs VOC's download; tests/data/voc/test_preparation.py prepares small ones"
CHECKPOINT = "needs COCO's download; tests/experiments/checkpoints evaluates small imports"
ENVIRONMENT = "builds or changes .venv, from the network; .ci/run builds it"
IMAGE = "needs an image; tests/test_containers.py builds one where the tool is"

NOT_RUN = {
    "make table3": "takes tens of minutes, with what .ci/run builds; at smoke scale it is below",
    "make test": "is what runs this test",
    "make setup": ENVIRONMENT,
    "make PYTHON=/path/to/python3.12 setup": ENVIRONMENT,
    "make doctor": f"{ENVIRONMENT}; `boxseg doctor` is below",
    "uv venv --python 3.11": ENVIRONMENT,
    "uv pip install --require-hashes -r requirements/lock.txt": ENVIRONMENT,
    "uv pip install --no-deps --only-binary :all: --python-version 3.10 --require-hashes --target "
    ".venv/lib/python3.11/site-packages -r requirements/detectron2.txt": ENVIRONMENT,
    "uv pip install --no-deps --require-hashes -r requirements/mmdet.txt": ENVIRONMENT,
    "uv pip install --no-deps --no-build-isolation --editable .": ENVIRONMENT,
    'docker run --gpus all --volume "$PWD:/workspace" boxseg reproduce table3 --scale smoke': IMAGE,
    "apptainer run --nv boxseg.sif reproduce table3 --scale smoke": IMAGE,
    ".venv/bin/pip uninstall --yes sal-detectron2": ENVIRONMENT,
    ".venv/bin/pip install --no-deps --no-build-isolation "
    '"detectron2 @ git+https://github.com/facebookresearch/detectron2@'
    'a59f05630a8f205756064244bf5beb8661f96180"': f"{ENVIRONMENT}; needs a CUDA compiler",
    "uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-annotate "
    "--no-header --python-version 3.11 --python-platform x86_64-manylinux_2_28 "
    "--output-file requirements/lock.txt": "asks a package registry",
    "uv pip compile requirements/mmdet.in --no-deps --generate-hashes --no-emit-index-url "
    "--no-annotate --no-header --python-version 3.11 --python-platform x86_64-manylinux_2_28 "
    "--output-file requirements/mmdet.txt": "asks a package registry",
    "srun --ntasks=8 boxseg train method=boxseg scale=paper dataset=coco root=DIR": "needs a "
    "cluster; tests/experiments/run/test_several_processes.py trains with two processes",
    "torchrun --nproc-per-node 8 -m experiments.cli train method=boxseg scale=paper dataset=coco "
    "root=DIR": "needs 8 GPUs; tests/experiments/run/test_several_processes.py trains with two",
    ".venv/bin/python examples/plug_in_torchvision.py": "run by tests/test_examples.py",
    "python -m tools.fine_tuning_trial --root DIR scale=photos method=boxinst": "takes an hour; "
    "tests/experiments/run/test_fine_tuning_trial.py runs it at smoke scale",
    ".venv/bin/python -m pytest -m gpu tests/gpu": "on a machine with a GPU",
    'eval "$(register-python-argcomplete boxseg)"': "is of a shell that is typed into; "
    "tests/experiments/test_completion.py asks as it does",
    '.venv/bin/pip install -e ".[notebooks]"': ENVIRONMENT,
    ".venv/bin/jupyter lab notebooks": "serves until it is ended; tests/notebooks executes them",
    "export BOXSEG_COCO=DIR BOXSEG_WEIGHTS=WEIGHTS": "sets variables; they are set here",
    "boxseg data prepare coco --root DIR": COCO,
    "boxseg data prepare coco --root DIR --ids experiments/conf/dataset/ids/coco128.txt": COCO,
    "boxseg data prepare voc --root DIR": VOC,
    "boxseg evaluate boxinst.pt --dataset coco --root DIR": CHECKPOINT,
    "boxseg evaluate boxinst.pt --dataset coco --root DIR --split test-dev "
    "--submission": CHECKPOINT,
    "boxseg weights import R-50.pkl --to r50.pt": "needs a published backbone; "
    "tests/weights/test_backbone.py imports small ones",
}
"""Commands that are not run, and why."""

PRINTED = list(
    {
        command.line: command
        for page in PAGES
        if page not in ELSEWHERE
        for command in commands(page)
        if command.line not in NOT_RUN
    }.values()
)


def of(*names: str) -> list[Command]:
    """The commands that are run, of some of boxseg's commands; each once."""
    return [command for command in PRINTED if command.words[0] in names]


SLOW = ("report", "validate")
QUICK = (
    "evaluate",
    "predict",
    "annotate",
    "compare",
    "status",
    "cancel",
    "data",
    "weights",
    "doctor",
)
NOT_HERE = r"dataset=(coco|coco-photos|voc)( |$)"
TRAINED_HERE = [c for c in of("train") if not re.search(NOT_HERE, c.line)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that has what the commands name."""
    place = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("BOXSEG_DATA", str(tmp_path_factory.mktemp("datasets")))
        patch.setenv("BOXSEG_COCO", "DIR")
        patch.setenv("BOXSEG_WEIGHTS", "WEIGHTS")
        photographs(place / "DIR")
        shutil.copytree(place / "DIR" / "val", place / "photographs")
        (place / "more" / "of-them").mkdir(parents=True)
        Image.new("RGB", (48, 40)).save(place / "more" / "of-them" / "grey.jpg")
        yolo_folder(place / "my-labels")
        trained(place / "RUN", "method=boxinst")
        trained(place / "TEACHER", "method=boxseg")
        published = published_checkpoint(ADELAIDET, tiny_segmenter())
        for name in ("BoxInst_R_50.pth", "a.pth"):
            torch.save({"model": published}, place / name)
        for name in ("reports/results", "experiments/conf"):
            (place / name).parent.mkdir()
            (place / name).symlink_to(REPOSITORY / name)
        for block in blocks("docs/slurm.md"):
            if block.language == "yaml":
                (name,) = re.findall(r"^# (conf/\S+)$", block.text, flags=re.MULTILINE)
                (place / name).parent.mkdir(parents=True)
                (place / name).write_text(block.text)
        yield place


def photographs(folder: Path) -> None:
    """Scenes as a folder in COCO's format."""
    dataset = dataset_on_disk("scenes", None, "smoke")
    (folder / "annotations").mkdir(parents=True)
    for name in ("train", "val"):
        split = dataset.split(name)
        shutil.copytree(split.images, folder / name)
        content = json.loads(split.annotations.read_text())
        (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))


def yolo_folder(folder: Path) -> None:
    """Five pictures with a box each."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / "images" / f"{number}.jpg")
        (folder / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5")
    (folder / "classes.txt").write_text("cat")


def test_every_command_is_run_or_listed() -> None:
    assert {command.program for command in PRINTED} == {"boxseg"}
    run = of("train", "reproduce", *QUICK, *SLOW)
    assert sorted(map(str, run)) == sorted(map(str, PRINTED))


def test_what_is_listed_is_printed() -> None:
    lines = {command.line for page in PAGES for command in commands(page)}
    assert set(NOT_RUN) <= lines


@pytest.mark.parametrize("page", PAGES)
def test_commands_stand_in_blocks_of_shell(page: str) -> None:
    for block in blocks(page):
        assert block.language in ("sh", "python", "yaml", "")
        if block.language != "sh":
            for line in block.text.splitlines():
                program = line.removeprefix(".venv/bin/").partition(" ")[0]
                assert program not in PROGRAMS, f"{page}:{block.line} is shell"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_have_options_that_exist(page: str) -> None:
    """But for those with `...` or `[`, which are no commands and say how one is built."""
    for span in spans(page):
        words = span.split()
        if words[0] == "boxseg" and len(words) > 2 and not re.search(r"\.\.\.|\[", span):
            assert parsed(words[1:])


@pytest.mark.parametrize("command", of(*QUICK), ids=str)
def test_runs_as_printed(command: Command, folder: Path) -> None:
    outcome = boxseg(*[word.replace("NAME", "coco-folder") for word in command.words])
    assert outcome.code == 0, outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("command", of(*SLOW), ids=str)
def test_runs_as_printed_slowly(command: Command, folder: Path) -> None:
    outcome = boxseg(*command.words)
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("command", of("train"), ids=str)
def test_training_is_composed_as_printed(command: Command, folder: Path) -> None:
    outcome = boxseg(*command.words, "--show-config")
    assert outcome.code == 0, outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("command", TRAINED_HERE, ids=str)
def test_training_runs_at_smoke_scale(command: Command, folder: Path, tmp_path: Path) -> None:
    if "mmdet" in command.line:
        pytest.importorskip("mmdet")
    kept = [w for w in command.words if not w.startswith(("scale=", "run_dir=", "--show-config"))]
    outcome = boxseg(*kept, "scale=smoke", "threads=1", f"run_dir={tmp_path}")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "result.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", of("reproduce"), ids=str)
def test_tables_are_expanded_as_printed(command: Command, folder: Path) -> None:
    outcome = boxseg(*command.words, "--dry-run")
    assert outcome.code == 0, outcome.err
    assert re.search(r"^\d+ runs", outcome.out, flags=re.MULTILINE)


@pytest.mark.slow
def test_table_3_runs_at_smoke_scale(folder: Path) -> None:
    assert "make table3" in NOT_RUN
    outcome = boxseg("reproduce", "table3", "--scale", "smoke", "--launcher", "local")
    assert outcome.code == 0, outcome.err
    assert "BoxSeg: QAM + PC" in outcome.out
