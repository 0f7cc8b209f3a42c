"""Freed memory is used again without asking the system for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What malloc itself counts: not every system counts a process's page faults.
STEP = """
import ctypes
import torch
from boxseg.engine.freed_memory import keep_freed_memory
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
count = ctypes.CDLL(None).mallinfo2
count.restype = Counts
{first}
tensors = [torch.zeros(2**21) for _ in range(12)]  # 8 MiB each
del tensors
print(count().fordblks)
"""
FREED = 12 * 2**23


def kept(first: str) -> int:
    """Bytes kept after a step, in a process of its own, which all of what is chosen is for."""
    code = STEP.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc alone is told")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    assert kept("keep_freed_memory()") >= FREED
    assert kept("") < FREED / 10
