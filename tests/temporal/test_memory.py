"""A process gives memory back that it needed for a moment."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

MEASURE = """
import os, sys
from pathlib import Path
from service.temporal.memory import return_large_blocks

MIB = 1024 * 1024

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB

return_large_blocks(os.environ)
bytearray(30 * MIB)  # it is freed at once, and what glibc calls large is from now on larger than this
before = resident()
large, small = [], []
for _ in range(15):
    large.append(bytearray(2 * MIB))
    small.append(bytearray(64 * 1024))  # it stays, and what lies below it cannot shrink away
held = resident()
large.clear()
print(held - before, resident() - before)
"""


def measured(**environment: str) -> tuple[float, float]:
    """MiB more than before that a process held with blocks in use, and when they were free again."""
    command = [sys.executable, "-c", MEASURE]
    held, left = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    return float(held), float(left)


@pytest.mark.skipif(not HAS_GLIBC, reason="only glibc keeps what is free")
def test_large_blocks_go_back_when_they_are_free():
    held, left = measured()

    assert held > 30
    assert left < 4


@pytest.mark.skipif(not HAS_GLIBC, reason="only glibc keeps what is free")
def test_an_operator_may_set_malloc_himself():
    _, left = measured(MALLOC_MMAP_THRESHOLD_=str(16 * 1024 * 1024))

    assert left > 25
