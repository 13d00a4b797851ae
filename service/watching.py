"""Following an execution: its ledger as it grows, and waiting until something holds of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from service import acting
from service.domain.errors import Exhausted
from service.domain.execution import Execution
from storage import ledger
from storage.database import connection

BATCH = 500
"""Ledger entries in one message."""

SHORTEST, LONGEST = 0.02, 0.5
"""Seconds between two looks at an execution: short after something happened, longer the longer it is quiet."""


class Watchers:
    """Counts the streams of a server, each of which holds a thread, and ends them when the server stops."""

    def __init__(self, most: int, stopping: threading.Event) -> None:
        self.stopping = stopping
        self._most = most
        self._free = threading.Semaphore(most)

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Hold a place; raises Exhausted when there is none."""
        if not self._free.acquire(blocking=False):
            raise Exhausted("TOO_MANY_WATCHERS", f"this server streams to {self._most} watchers already; try another")
        try:
            yield
        finally:
            self._free.release()


def follow(
    workspace: str, execution_id: str, after: int, is_wanted: Callable[[], bool]
) -> Iterator[tuple[Execution, list[dict[str, Any]]]]:
    """Give the execution with its entries after a number, at once and then whenever there are more, to its end."""
    pause = SHORTEST
    first = True
    while is_wanted():
        with connection():
            execution = acting.get(workspace, execution_id)
            behind = execution.last_number > after
            entries = ledger.entries(workspace, execution_id, after=after, limit=BATCH) if behind else []
        if entries and entries[-1]["number"] > execution.last_number:
            execution = acting.get(workspace, execution_id)  # it went on between the two looks
        if entries or first:
            yield execution, entries
            first, pause = False, SHORTEST
            after = max(after, entries[-1]["number"] if entries else after)
        if execution.is_over and after >= execution.last_number:
            return
        if not entries:
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST)


def until(workspace: str, execution_id: str, holds: Callable[[Execution], bool], seconds: float) -> None:
    """Wait until something holds of an execution, or the time is up; raises NotFound."""
    limit = time.monotonic() + seconds
    pause = SHORTEST
    while True:
        execution = acting.get(workspace, execution_id)
        if holds(execution) or time.monotonic() >= limit:
            return
        time.sleep(min(pause, max(0.0, limit - time.monotonic())))
        pause = min(pause * 1.5, LONGEST)
