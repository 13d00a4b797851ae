"""When to look for an effect that others bring about: as soon as it may be there, and not much more often than once."""

from __future__ import annotations

import time
from collections.abc import Iterator

SHORTEST = 0.004
"""Seconds before the first look, and between two, at least."""

LONGEST = 0.3
"""Seconds before the first look at most, however long effects have taken of late."""


class Pace:
    """Learns how long an effect takes of late; threads may share one."""

    def __init__(self) -> None:
        self._usual = SHORTEST

    def looks(self, seconds: float) -> Iterator[None]:
        """Give the moments to look, until the time is up; who has seen the effect takes no more of them.

        The first is a little before it is due as a rule, the others come at longer and longer intervals.
        """
        began = time.monotonic()
        pause = min(self._usual * 0.9, LONGEST)
        try:
            while time.monotonic() - began + pause < seconds:
                time.sleep(max(pause, SHORTEST))
                yield
                pause = max(self._usual, time.monotonic() - began) / 5
        finally:
            self._usual += (time.monotonic() - began - self._usual) / 8
