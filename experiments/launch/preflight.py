"""What runs need and is not there: all of it at once, before anything is submitted or trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from boxseg.data.dataset import Dataset
from boxseg.doctor import WITH_MMDET, Finding
from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.configuration.run_configuration import RunConfiguration
from experiments.launch.cost import gpu_gigabytes
from experiments.launch.runs import Run
from experiments.launch.sharing import find_shared

ROOT_VARIABLES = {"coco": "BOXSEG_COCO", "voc": "BOXSEG_VOC"}
"""Environment variables that `experiments/conf/scale/paper.yaml` takes the data's folders from."""

WEIGHTS_VARIABLE = "BOXSEG_WEIGHTS"
"""That which it takes the folder of the backbones from."""

MEGABYTES = {"smoke": 6, "mini": 40, "paper": 1000}
"""Of the checkpoint and the predictions of a run: at mini scale as measured (BoxTeacher, 27 MB), at
paper scale of 53 million parameters with momentum and a teacher, and COCO's val2017."""


MMDET = ("mmdet", "mmengine", "mmcv")
"""Packages of the extra `mmdet`."""

OF_MMDET = ("baselines.mmdet_", "baselines.query_decoder.")
"""Beginnings of the names of what is built of them."""


@dataclass(frozen=True)
class Lack:
    """One thing that is missing.

    Attributes:
        name: of the thing, without any folder of this machine.
        problem: what is wrong with it, to be read after the name.
        remedy: the variable or word that sets it, an imperative without any folder either.
    """

    name: str
    problem: str
    remedy: str

    def sentence(self) -> str:
        """The whole in one line."""
        return f"{self.name}: {self.problem}; {self.remedy}."


def lacks_of_runs(runs: Sequence[Run], root: Path) -> list[Lack]:
    """What the runs that are not finished yet need and is not there.

    Args:
        runs: wanted.
        root: folder of the runs.
    """
    missing = unfinished(runs)
    configs = list({run.cell_words: run.of_cell for run in missing}.values())
    lacks = [*lacks_of(configs), *gpu_memory(configs, gigabytes_here)]
    if missing:
        lacks += _disk(root, len(missing), missing[0].scale)
    return lacks


def gigabytes_here() -> float | None:
    """Memory of this machine's first GPU; None without one, as on a login node."""
    import torch  # slow, and needless at the scales whose runs take little

    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.get_device_properties(0).total_memory) / 1e9


def gpu_memory(
    configs: Iterable[RunConfiguration], memory: Callable[[], float | None]
) -> list[Lack]:
    """Whether a GPU has the memory that runs are estimated to take, the greatest of them.

    Args:
        configs: of the runs; those that compute on the CPU take none.
        memory: gives its gigabytes, or None where there is no GPU to be asked; called only if some
            run is estimated to take any.
    """
    on_gpu = [config for config in configs if config.device != "cpu"]
    needed = max((gpu_gigabytes(config) or 0.0 for config in on_gpu), default=0.0)
    available = memory() if needed else None
    if available is None or needed <= available:
        return []
    return [
        Lack(
            "GPU memory",
            f"about {needed:.0f} GB are needed, as estimated from what was measured, and this GPU "
            f"has {available:.0f}",
            "give solver.batch_size=8 solver.accumulate=2, or launcher.tasks_per_node=2",
        )
    ]


def unfinished(runs: Sequence[Run]) -> list[Run]:
    """The runs that have no result yet; of those that share one configuration one."""
    return [
        run
        for run in find_shared(runs).trained
        if not RunDirectory(run.directory).is_finished(run.sha256)
    ]


def lacks_of(configs: Iterable[RunConfiguration]) -> list[Lack]:
    """What some configurations need and is not there, each thing once."""
    found = [lack for config in configs for lack in _of(config)]
    return list(dict.fromkeys(found))


def missing_packages(config: RunConfiguration) -> Lack | None:
    """The packages that the segmenter needs and that are not installed, in one.

    Read from the configuration: to ask the segmenter's class would import torch, and a launcher
    would be silent for as long as that takes.
    """
    host = str(config.segmenter["_target_"])
    absent = [name for name in MMDET if find_spec(name) is None]
    if not absent or not host.startswith(OF_MMDET):
        return None
    title = f"package {absent[0]}" if len(absent) == 1 else f"packages {', '.join(absent)}"
    return Lack(title, f"not installed, which {host.rpartition('.')[2]} needs", WITH_MMDET)


def of_paper_scale() -> list[Finding]:
    """What `boxseg doctor` says of the data and weights of the paper's tables."""
    findings = []
    for dataset in ROOT_VARIABLES:
        configs = [
            compose([f"dataset={dataset}", "scale=paper", f"backbone={backbone}"])
            for backbone in ("r50", "r101", "r101-dcn")
        ]
        lacks = {lack.name: lack for lack in lacks_of(configs)}
        names = [f"data of {dataset}", *(_title(config) for config in configs)]
        for name in dict.fromkeys([*names, *lacks]):
            if name in lacks:
                needs, remedy = "the paper scale", lacks[name].remedy
                findings.append(Finding(name, "not found", False, needs, remedy))
            else:
                findings.append(Finding(name, "found"))
    return list(dict.fromkeys(findings))


def refuse(lacks: Sequence[Lack], left_undone: str, say: Callable[[str], object]) -> None:
    """Refuse to begin, if anything is missing.

    Args:
        lacks: what is.
        left_undone: "nothing was submitted", say.
        say: prints a line; each thing has one.

    Raises:
        InputError: something is missing.
    """
    if not lacks:
        return
    for lack in lacks:
        say(f"missing: {lack.sentence()}")
    things = "1 thing is" if len(lacks) == 1 else f"{len(lacks)} things are"
    raise InputError(
        f"{things} missing, as said above, so {left_undone}; mend that, or leave out the rows that "
        "need it."
    )


def _of(config: RunConfiguration) -> Iterator[Lack]:
    packages = missing_packages(config)
    if packages is not None:
        yield packages
    yield from _data(config)
    yield from _weights(config)
    if config.tracking in ("none", "tensorboard"):
        return  # no run ends for want of them, and what knows trackers imports torch
    from experiments.run.tracking import missing_package

    package = missing_package(config)
    if package is not None:
        remedy = f"run `pip install 'boxseg[{config.tracking}]'`, or give tracking=none"
        yield Lack(f"tracking={config.tracking}", f"{package} is not installed", remedy)


def _data(config: RunConfiguration) -> Iterator[Lack]:
    """What of the data is missing; those that are generated never are."""
    source, name = config.dataset.source, config.dataset.name
    place = source.get("root")
    if place == config.data_dir:
        return
    title = f"data of {name}"
    variable = ROOT_VARIABLES.get(name) if name in config.scale.roots else None
    remedy = f"set {variable}=DIR, or give root=DIR" if variable else "give root=DIR"
    if place is None:
        yield Lack(title, "nothing says where they are", f"{remedy} (docs/data.md tells what for)")
        return
    try:
        dataset: Dataset = build(source, config.packages, root=Path(place))
    except InputError as error:
        yield Lack(title, str(error).partition("; ")[0].rstrip("."), remedy)
        return
    for role, split_name in (("train on", dataset.train), ("evaluate", dataset.evaluate)):
        try:
            split = dataset.split(split_name)
        except InputError as error:
            yield Lack(f"{title} to {role}", str(error).rstrip("."), remedy)
            continue
        if not split.annotations.is_file():
            yield Lack(f"{title} to {role}", f"{split.annotations} does not exist", remedy)
        if not split.images.is_dir() or not any(split.images.iterdir()):
            yield Lack(f"{title} to {role}", f"no images are in {split.images}", remedy)


def _weights(config: RunConfiguration) -> Iterator[Lack]:
    """Whether the file is missing that the backbone starts from."""
    start = config.start_file
    if start is not None and not start.is_file():
        yield Lack("checkpoint to start from", f"{start} does not exist", "give from=RUN")
    if start is not None:
        return
    file = config.initial_weights_file
    if file is not None and file.is_file():
        return
    if config.initial_weights is not None:
        yield Lack("initial weights", f"{file} does not exist", "give initial_weights=FILE")
        return
    if not config.scale.needs_initial_weights:
        return
    yield Lack(
        _title(config),
        "no file is named" if file is None else f"{file} does not exist",
        f"set {WEIGHTS_VARIABLE}=FOLDER, or give initial_weights=FILE (`boxseg weights import` "
        "makes it of the published file)",
    )


def _title(config: RunConfiguration) -> str:
    usual = config.scale.initial_weights.get(config.backbone)
    return f"pretrained {config.backbone if usual is None else Path(usual).stem}"


def _disk(root: Path, runs: int, scale: str) -> Iterator[Lack]:
    """Whether the disk has room for the checkpoints and predictions of so many runs."""
    needed = runs * MEGABYTES.get(scale, MEGABYTES["paper"]) * 10**6
    place = root.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        yield Lack(
            "free disk",
            f"{runs} runs take about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            "free some, or choose another folder with --runs",
        )
