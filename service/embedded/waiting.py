"""Waits that end at once when the person asks to stop."""

import time
from collections.abc import Callable


class Interrupted(Exception):
    """A stop was asked for while something was still under way."""


class Waiter:
    """Waits for things to happen, unless a stop is asked for.

    The flag is a plain attribute, not an Event: a signal handler sets it, and setting an Event in one can lock up.
    """

    def __init__(self) -> None:
        self._interrupted = False

    def interrupt(self) -> None:
        """End the present wait and all later ones."""
        self._interrupted = True

    def pause(self, seconds: float) -> None:
        """Let a short while pass."""
        if self._interrupted:
            raise Interrupted
        time.sleep(seconds)

    def until(self, happened: Callable[[], bool], *, within: float, every: float = 0.02) -> bool:
        """Ask again and again whether it happened; False when it did not within that many seconds."""
        deadline = time.monotonic() + within
        while not happened():
            if time.monotonic() > deadline:
                return False
            self.pause(every)
        return True
