"""Where a process spends its time, as py-spy sees it. That is no dependency of ours: `pip install py-spy`."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.embedded.problem import Problem

_RATE = 200
_SHOWN = 40


@contextmanager
def profile(pid: int, stacks: Path) -> Iterator[None]:
    """Sample a process while something happens, keep its stacks (for flamegraph.pl or speedscope), print a summary."""
    program = shutil.which("py-spy")
    if program is None:
        raise Problem("py-spy was not found, and --profile needs it: pip install py-spy")
    # Only threads that hold the interpreter's lock: the others wait, or work beside it in C.
    command = [program, "record", "--gil", "--pid", str(pid), "--rate", str(_RATE)]
    command += ["--format", "raw", "--output", str(stacks)]
    spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)  # its word for "that is enough"
        spy.wait(30)
    print(f"\nThe stacks are in {stacks}.\n{_summary(stacks)}")


def _summary(stacks: Path) -> str:
    """The functions that were found most often: on some stack, and on top of one."""
    below: Counter[str] = Counter()
    top: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        top[frames[-1]] += int(samples)
        below.update(dict.fromkeys(frames, int(samples)))
    total = max(1, sum(top.values()))
    lines = [
        f"  {below[frame] / total:4.0%} {top[frame] / total:4.0%}  {frame}" for frame, _ in below.most_common(_SHOWN)
    ]
    return "\n".join(["  with  self  function", *lines])
