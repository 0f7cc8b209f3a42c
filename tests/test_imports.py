"""Imports run one way between the packages, functions' own imports included."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

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


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(settings["root_packages"]) == set(PACKAGES)
    return settings["contracts"]


def test_the_linter_has_the_same_contracts() -> None:
    whole = [c["layers"] for c in contracts() if "containers" not in c and c["type"] == "layers"]
    assert whole == [["experiments", "baselines | reports", "boxseg"]]
    (rooms,) = [c["layers"] for c in contracts() if c.get("containers") == ["experiments"]]
    assert rooms[-2:] == ["run", "configuration"]


@pytest.mark.parametrize("package", ["boxseg", "baselines"])
def test_every_room_has_its_floor(package: str, graph: grimp.ImportGraph) -> None:
    (floors,) = [c["layers"] for c in contracts() if c.get("containers") == [package]]
    rooms = [f"{package}.{room.strip()}" for floor in floors for room in floor.split("|")]
    assert sorted(rooms) == sorted(graph.find_children(package))


def verdicts(folder: Path) -> dict[str, bool]:
    """Whether each contract is kept by the packages in a folder."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.findall(r"^(.+) (KEPT|BROKEN)", done.stdout, re.M)
    assert len(said) == len(contracts()), done.stdout + done.stderr
    assert done.returncode == (0 if all(verdict == "KEPT" for _, verdict in said) else 1)
    return {name: verdict == "KEPT" for name, verdict in said}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A copy of the packages and their contracts."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("results", "*.json", "*.csv", "__pycache__")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_linter_keeps_what_is_there(planted: Path) -> None:
    assert all(verdicts(planted).values())


UPWARDS = "each floor imports those below it"
CIRCLE = "no rooms, and no modules of one room, import each other"


@pytest.mark.parametrize(
    ("module", "imported", "broken"),
    [
        # Losses know no segmenter; also what only a type checker sees counts.
        ("boxseg/mask_losses", "boxseg.condinst.fcos", {f"boxseg: {UPWARDS}", CIRCLE}),
        ("boxseg/segmenter", "boxseg.teacher_student", {f"boxseg: {UPWARDS}", CIRCLE}),
        ("boxseg/box_masks", "boxseg.errors", set()),
        # The two things to be plugged in elsewhere know nothing of each other.
        ("boxseg/quality_aware/fusion", "boxseg.peer_copy_paste", {f"boxseg: {UPWARDS}"}),
        # Within a room there are no floors, but no circles either.
        ("boxseg/condinst/fcos_head", "boxseg.condinst.model", {CIRCLE}),
        ("boxseg/engine/distributed", "boxseg.engine.trainer", {CIRCLE}),
        ("baselines/box_assignment", "baselines.boxteacher", {f"baselines: {UPWARDS}", CIRCLE}),
        ("baselines/sim/prototypes", "baselines.sim.labels", {CIRCLE}),
    ],
)
@pytest.mark.parametrize("typing_only", [False, True])
def test_the_linter_finds_a_planted_import(
    module: str, imported: str, broken: set[str], typing_only: bool, planted: Path
) -> None:
    file = planted / f"{module}.py"
    line = f"import {imported}\n"
    if typing_only:
        line = f"from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {line}"
    file.write_text(f"{file.read_text()}\n{line}")
    assert {name for name, kept in verdicts(planted).items() if not kept} == broken
