"""Keeping processes running: one that dies by itself is started again, and all end in the right order."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.embedded.processes import Process, end_all

_LONGEST_PAUSE = 32
_HEALTHY = 60
"""Seconds after which a process counts as having started well, so that its next death counts as the first."""


class Kept:
    """A process that is to run until told otherwise."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self._pause = 0  # seconds between the last death and the start after it
        self._due: float | None = None  # when it starts again; None while it runs
        self._begin()

    def tend(self) -> None:
        """Start it again when it has died; each death in a row makes the pause before it twice as long."""
        now = time.monotonic()
        if self._due is not None:
            if now >= self._due:
                self._begin()
        elif not self.process.alive():
            healthy = now - self._began > _HEALTHY
            self._pause = 1 if healthy or not self._pause else min(self._pause * 2, _LONGEST_PAUSE)
            self._due = now + self._pause
            print(f"{self.process.account_of_death()}\nStarting it again in {self._pause} s", flush=True)

    def _begin(self) -> None:
        self.process = self._start()
        self._began = time.monotonic()
        self._due = None


class Supervisor:
    """What runs, in the order in which it was started."""

    def __init__(self) -> None:
        self._stages: list[list[Kept]] = []

    def keep(self, *starts: Callable[[], Process]) -> list[Process]:
        """Start processes that stand side by side, on those that were started before."""
        stage: list[Kept] = []
        # Known before the first of them runs, so that it is ended even when the second cannot be started.
        self._stages.append(stage)
        stage.extend(Kept(start) for start in starts)
        return [kept.process for kept in stage]

    def tend(self) -> None:
        """Look after all of them once."""
        for stage in self._stages:
            for kept in stage:
                kept.tend()

    def end(self) -> None:
        """End all, the last ones started first, so that none loses what it stands on while it finishes."""
        while self._stages:
            end_all(kept.process for kept in self._stages.pop())
