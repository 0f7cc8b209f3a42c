"""Freed memory is used again without asking the system for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOP = """
import resource
import torch
from boxseg.engine.freed_memory import keep_freed_memory
{first}
def step():
    return [torch.zeros(2**21) for _ in range(12)]  # 8 MiB each, freed together
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first: str) -> int:
    """Of ten steps, in a process of their own, since what is chosen holds for a whole process."""
    code = LOOP.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc alone is told")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    assert page_faults("keep_freed_memory()") < page_faults("") / 10
