"""The archive of a release: what was committed, with a hash of each file."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SCRIPT = Path("tools/archive_records.sh")
RECORD = Path("reports/results/mini/tableau é 3/result.json")
FILES = (RECORD, *map(Path, ("reports/models/README.md", "reports/REPRODUCTION.md")))


def git(folder: Path, *words: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "tag.gpgSign=false")
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for file in (*FILES, Path("CITATION.cff"), Path("LICENSE"), Path("README.md")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"of {file.name}")
    (tmp_path / SCRIPT).parent.mkdir()
    shutil.copy(REPOSITORY / SCRIPT, tmp_path / SCRIPT)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "All")
    git(tmp_path, "tag", "v9.1")
    return tmp_path


def archived(repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", SCRIPT], cwd=repository, capture_output=True, text=True)


def test_it_holds_the_records_and_their_hashes(repository: Path, tmp_path: Path) -> None:
    done = archived(repository)
    assert done.stdout.split() == [
        f"dist/boxseg-records-v9.1.{end}" for end in ("tar.gz", "sha256")
    ]
    hashes = repository / "dist" / "boxseg-records-v9.1.sha256"
    with tarfile.open(repository / "dist" / "boxseg-records-v9.1.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
        names = {one.name for one in archive.getmembers() if one.isfile()}
    wanted = {f"boxseg-records-v9.1/{file}" for file in (*FILES, "CITATION.cff", "LICENSE")}
    assert names == wanted
    check = ["sha256sum", "--strict", "-c", hashes]
    assert subprocess.run(check, cwd=tmp_path / "unpacked", capture_output=True).returncode == 0
    (tmp_path / "unpacked/boxseg-records-v9.1" / RECORD).write_text("another")
    assert subprocess.run(check, cwd=tmp_path / "unpacked", capture_output=True).returncode == 1


def test_what_is_not_committed_is_not_archived_silently(repository: Path) -> None:
    (repository / RECORD).write_text("of today")
    refused = archived(repository)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "not committed; commit them" in refused.stderr
    assert not (repository / "dist").exists()
