"""Letting callers go at the same instant."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SPIN = 0.001
"""Seconds before its instant at which a thread stops to sleep and watches the clock."""


def together(pool: ThreadPoolExecutor, actions: Sequence[tuple[float, Callable[[], Any]]]) -> list[Any]:
    """Do all at once, each so many seconds after the common instant; gives what each gave, or the error it raised."""
    barrier = threading.Barrier(len(actions))
    earliest = min(delay for delay, _ in actions)

    def one(delay: float, action: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        _sleep_until(time.perf_counter() + delay - earliest)
        try:
            return action()
        except Exception as error:  # told, since the other side's answer counts whatever this one's is
            return error

    return [future.result() for future in [pool.submit(one, *action) for action in actions]]


def sleep_until(instant: float) -> None:
    """Sleep until an instant of the wall clock (seconds since 1970), to a fraction of a millisecond."""
    _sleep_until(time.perf_counter() + instant - time.time())


def _sleep_until(instant: float) -> None:
    if (rest := instant - time.perf_counter()) > SPIN:
        time.sleep(rest - SPIN)
    while time.perf_counter() < instant:
        pass


class Aim:
    """How much later one side has to be let go so that both come out ahead about equally often; found by trying."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.hits = [0, 0]
        self._step = 0.004
        self._was_late = False
        self._lock = threading.Lock()

    def hit(self, late: bool) -> None:
        """Note a race: `late` when the side that this lets go later came too late."""
        with self._lock:
            self.hits[late] += 1
            # Larger steps as long as they lead the same way, so that few races are wasted when the machine slows down.
            self._step = min(0.03, self._step * 1.25) if late == self._was_late else max(0.0005, self._step / 2)
            self._was_late = late
            self.seconds += -self._step if late else self._step
