"""Imports run one way between the packages, functions' own imports included."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grimp
import pytest

PACKAGES = ("boxseg", "baselines", "experiments", "reports")
FORBIDDEN = {
    "boxseg": ("baselines", "experiments", "reports"),
    "baselines": ("experiments", "reports"),
    "reports": ("baselines", "experiments"),
}
REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_against_the_direction(package: str, graph: grimp.ImportGraph) -> None:
    modules = graph.find_descendants(package) | {package}
    assert len(modules) > 3
    against = [
        f"{module} imports {imported}"
        for module in sorted(modules)
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.split(".")[0] in FORBIDDEN[package]
    ]
    assert against == []


def test_reports_need_no_torch(graph: grimp.ImportGraph) -> None:
    allowed = {"boxseg.errors", "boxseg.files"}
    for module in graph.find_descendants("reports") | {"reports"}:
        imported = graph.find_modules_directly_imported_by(module)
        ours = {name for name in imported if name.split(".")[0] == "boxseg"}
        assert ours <= allowed, module


def test_modules_named_in_yaml_stay_within_the_packages() -> None:
    for file in (REPOSITORY / "experiments").rglob("*.yaml"):
        for name in re.findall(r"_target_: *(\S+)|^ *path: *(\S+)", file.read_text(), re.M):
            target = "".join(name)
            assert target.startswith(("boxseg.", "baselines.", "hydra.utils.get_method")), file


def test_the_linter_has_the_same_contracts() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(settings["root_packages"]) == set(PACKAGES)
    layers = [c["layers"] for c in settings["contracts"] if c["type"] == "layers"]
    assert ["experiments", "baselines | reports", "boxseg"] in layers
