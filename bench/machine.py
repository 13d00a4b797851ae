"""What the machine does for each process: the CPU time of a process and its children. Known on Linux only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

CAN_TELL = sys.platform == "linux"

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_LOOK = 0.1
_QUIET = 0.1
"""The share of one core that servers take when they have nothing to do, at most."""


def cpu(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU that each process has taken so far, with its children."""
    if not CAN_TELL:
        return dict.fromkeys(pids, 0.0)
    stats = [stat for stat in map(_stat, Path("/proc").glob("[0-9]*")) if stat]
    return {name: sum(seconds for own, parent, seconds in stats if pid in (own, parent)) for name, pid in pids.items()}


def memory(pid: int) -> tuple[float, float]:
    """MiB that a process holds in memory, and the most that it held since `forget_peak`."""
    if not CAN_TELL:
        return 0.0, 0.0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, peak = (int(values[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew."""
    if CAN_TELL:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def await_rest(cpu_now: Callable[[], Mapping[str, float]], *, within: float = 10) -> None:
    """Wait until the processes have worked off what they were given."""
    if not CAN_TELL:
        time.sleep(1)
        return
    limit = time.monotonic() + within
    before = sum(cpu_now().values())
    while time.monotonic() < limit:
        time.sleep(_LOOK)
        after = sum(cpu_now().values())
        if after - before <= _LOOK * _QUIET:
            return
        before = after


def _stat(folder: Path) -> tuple[int, int, float] | None:
    """The id of a process, its parent's, and its seconds; None when it has ended meanwhile."""
    try:
        # The name in parentheses may hold anything; behind it the 2nd field is the parent, the 12th to 15th the ticks
        # of the process and of its children that have ended.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(folder.name), int(fields[1]), sum(map(int, fields[11:15])) * _TICK
