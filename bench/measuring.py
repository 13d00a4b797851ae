"""Measuring loads against each other: in short bursts that take turns, so that all meet the same machine.

Other programs disturb some bursts, and slow phases of a machine last longer than a burst. So figures are medians, and
a ratio is the median of the ratios within each round.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench import machine
from bench.ground import Ground
from bench.loads import Load, LoadProcess

ROUNDS = 9
"""Rounds on a machine that has nothing else to do; on a busy one the time is up before."""

WARM_UP = 0.4
"""Seconds of calls before the first measured burst, for connections, caches and compiled plans."""

Figure = Literal["rate", "p50"]


@dataclass(frozen=True)
class Burst:
    """What callers did in some seconds."""

    rate: float  # calls a second; of a batch, children a second
    p50: float  # milliseconds that the median call took
    cpu: dict[str, float]  # milliseconds of each process for one call, what it caused behind the answer included


Bursts = dict[tuple[str, int], list[Burst]]
"""By load and number of callers, in the order of the rounds."""


@dataclass(frozen=True)
class Comparison:
    """A figure of Heddle beside that of the bare thing, round by round."""

    what: str
    callers: int
    figure: Figure
    heddle: list[Burst]
    bare: list[Burst]
    goal: float | None = None  # at least, for a rate; at most, for a time; None: it is told, not judged

    @property
    def ratios(self) -> list[float]:
        """Heddle's share of the bare figure in each round."""
        pairs = zip(self.heddle, self.bare, strict=False)
        return [getattr(heddle, self.figure) / getattr(bare, self.figure) for heddle, bare in pairs]

    @property
    def is_met(self) -> bool:
        """Tell whether the goal is reached."""
        ratio = median(self.ratios)
        return self.goal is None or (ratio >= self.goal if self.figure == "rate" else ratio <= self.goal)


@contextmanager
def contest(ground: Ground, loads: Mapping[str, Load]) -> Iterator[Contest]:
    """Get loads ready to be measured against each other."""
    processes = {name: LoadProcess(load) for name, load in loads.items()}
    try:
        yield Contest(ground, processes)
    finally:
        for process in processes.values():
            process.end()


class Contest:
    """Loads that are ready to run."""

    def __init__(self, ground: Ground, processes: Mapping[str, LoadProcess]) -> None:
        self._ground = ground
        self._processes = processes

    def run(self, turns: Sequence[tuple[str, int]], *, seconds: float, within: float) -> Bursts:
        """Let loads take turns, each with so many callers in bursts of so many seconds.

        Every second round goes the other way. After `within` seconds no further round begins.
        """
        limit = time.monotonic() + within
        for name, callers in turns:
            self._processes[name].run(callers, WARM_UP)
        machine.await_rest(self._cpu)
        bursts: Bursts = {turn: [] for turn in turns}
        for round in range(ROUNDS):
            began = time.monotonic()
            for turn in turns if round % 2 == 0 else reversed(turns):
                bursts[turn].append(self._burst(*turn, seconds))
            if time.monotonic() + (time.monotonic() - began) > limit:
                break
        return bursts

    def _burst(self, name: str, callers: int, seconds: float) -> Burst:
        before = self._cpu()
        timed = self._processes[name].run(callers, seconds)
        machine.await_rest(self._cpu)
        after = self._cpu()
        return Burst(
            rate=len(timed.calls) / timed.seconds,
            p50=median(timed.calls) * 1000,
            cpu={part: (after[part] - before[part]) / len(timed.calls) * 1000 for part in after},
        )

    def _cpu(self) -> dict[str, float]:
        servers = {name: process.pid for name, process in self._ground.processes.items()}
        callers = {f"caller: {name}": process.pid for name, process in self._processes.items()}
        return machine.cpu(servers | callers)
