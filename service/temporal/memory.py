"""What a worker does with memory that it needs no more."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

LARGE = 1024 * 1024
"""Bytes of a block that goes back to the system as soon as it is free."""

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h

_OPERATORS_OWN = ("MALLOC_", "GLIBC_TUNABLES")
"""Variables of the environment by which an operator sets glibc's malloc himself."""


def return_large_blocks(environ: Mapping[str, str]) -> None:
    """Have glibc return large blocks at once; nothing happens where there is no glibc, or an operator has set it.

    By itself it raises the size that it calls large to that of the largest block it has seen freed, up to 32 MiB, and
    keeps what is smaller for itself. To repeat a workflow's long history takes such blocks for a second, in whichever
    of glibc's arenas the thread belongs to; these would each keep the most that they ever needed.
    """
    if any(name.startswith(_OPERATORS_OWN) for name in environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)  # a size that was set is never raised
