"""The processes that are timed, one for each side and method, and the checkout of another commit.

Nothing here imports torch: a process starts with its parent's peak of memory as its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

TREE = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """A commit's files in a temporary folder.

    Raises:
        SystemExit: there is no such commit.
    """
    command = ["git", "-C", str(TREE), "archive", commit]
    archive = subprocess.run(command, capture_output=True)
    if archive.returncode:
        raise SystemExit(f"{commit} cannot be checked out: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder).resolve()


class Child:
    """A process with the packages of one checkout; see `benchmarks.child`.

    It starts at once, and `ready` waits for it: several can get ready at the same time.

    Args:
        checkout: whose packages it imports.
        threads: of the CPU.
        **task: `kind`, and what that takes.
    """

    def __init__(self, checkout: Path, threads: int, **task: Any) -> None:
        argument = json.dumps({"checkout": str(checkout), "threads": threads, **task})
        paths = [str(TREE), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - see __exit__
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=TREE,
            env=environment,
        )

    def ready(self) -> Any:
        """What it says once it is ready."""
        return self._answer()

    def ask(self, name: str, **arguments: Any) -> Any:
        """Let it do something, and wait for what comes of it.

        Raises:
            SystemExit: it ended instead; the message is what it printed.
        """
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([name, arguments]) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise SystemExit(f"a process that is timed ended:\n{self.errors.read()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()
