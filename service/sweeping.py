"""The thread that does what processes that died, or found Temporal away, have left undone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

FULL = 50
"""A sweep that found so much to do is followed by the next at once."""


class Sweeper:
    """Runs sweeps, each of which gives how much it found to do, again and again."""

    def __init__(self, name: str, sweeps: Sequence[Callable[[], int]], *, interval: float = 0.5) -> None:
        self._sweeps = sweeps
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Finish the sweep under way and stop."""
        self._stopping.set()
        self._thread.join(timeout=seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            most = max([_swept(sweep) for sweep in self._sweeps])
            if most < FULL:
                self._stopping.wait(self._interval)


def _swept(sweep: Callable[[], int]) -> int:
    try:
        return sweep()
    except Exception:
        log.exception("a sweep failed")
        return 0
