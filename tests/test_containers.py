"""The container files: what they copy is there, and they build where their tool is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "containers"
BUILD_SECONDS = 3600


def succeeds(*command: str) -> bool:
    """Whether a command is there and ends well, as `docker info` does only beside an engine."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_the_dockerfile_copies_what_the_set_up_reads() -> None:
    copies = re.findall(r"^COPY (.+)$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source for words in copies for source in words.split()[:-1]]
    assert all((REPOSITORY / source).exists() for source in sources)
    # The packages that the editable installation is of, and the files that the set-up hashes.
    packages = re.search(r"^include = \[(.+)\]$", (REPOSITORY / "pyproject.toml").read_text(), re.M)
    assert packages is not None
    for package in re.findall(r'"(\w+)\*"', packages[1]):
        assert f"{package}/__init__.py" in sources
    assert {"Makefile", "pyproject.toml", "requirements", "tools/setup.sh"} < {*sources}


def test_both_files_make_the_same_environment() -> None:
    docker, apptainer = ((FOLDER / name).read_text() for name in ("Dockerfile", "boxseg.def"))
    for pattern in (r"^F(?:ROM|rom:) (\S+)$", r"make setup (EXTRAS=mmdet PYTHON=\S+)"):
        found = [re.search(pattern, text, re.MULTILINE) for text in (docker, apptainer)]
        assert found[0] is not None and found[1] is not None
        assert found[0][1] == found[1][1]


def test_an_image_holds_nothing_that_was_made_by_running() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert {".venv", "datasets", "runs"} < {*ignored}


@pytest.mark.slow
@pytest.mark.skipif(not succeeds("docker", "info"), reason="no engine of Docker's answers here")
def test_docker_builds_it() -> None:
    image = "boxseg-test"
    words = ["docker", "build", "--file", "containers/Dockerfile", "--tag", image, "."]
    subprocess.run(words, cwd=REPOSITORY, check=True, timeout=BUILD_SECONDS)
    said = subprocess.run(
        ["docker", "run", "--rm", image, "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("boxseg ")


@pytest.mark.slow
@pytest.mark.skipif(not succeeds("apptainer", "version"), reason="Apptainer is not installed")
def test_apptainer_builds_it(tmp_path: Path) -> None:
    image = str(tmp_path / "boxseg.sif")
    words = ["apptainer", "build", "--fakeroot", image, "containers/boxseg.def"]
    subprocess.run(words, cwd=REPOSITORY, check=True, timeout=BUILD_SECONDS)
    said = subprocess.run(
        ["apptainer", "run", image, "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("boxseg ")
