"""What one workflow task hands Temporal, kept below what one of its messages takes.

All that a workflow asks for in one task goes in one message of at most 4 MiB. One that is larger is refused, the task
is tried again and comes to the same, for ever. So what is too much for one task waits for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from temporalio import workflow

from service.definition.plan import Json

FULL_TASK = 1024 * 1024
"""Bytes of JSON that a workflow task hands over, unless a single value has more."""

FULL_MESSAGE = 512 * 1024
"""Bytes of JSON in a message that could as well be two."""

PAUSE = timedelta(milliseconds=1)
"""A timer of any length ends a workflow task and begins the next."""

Room = Callable[[Json], Awaitable[None]]
"""Waits until a value may be handed to Temporal."""


def fitting(sizes: Iterable[int]) -> int:
    """Count the first of some values of these sizes that go into one message; the first one always does."""
    count, left = 0, FULL_MESSAGE
    for size in sizes:
        left -= size
        if left < 0 and count:
            break
        count += 1
    return count


class Pace:
    """Counts what a workflow hands over in the task that is under way."""

    def __init__(self) -> None:
        self._one_by_one = asyncio.Lock()
        self._task = -1  # the length of the history tells tasks apart
        self._bytes = 0

    async def room(self, size: int) -> None:
        """Wait until a task has room for so many bytes; who came first goes first."""
        async with self._one_by_one:
            while not self._takes(size, FULL_TASK):
                await workflow.sleep(PAUSE)

    def takes(self, size: int) -> bool:
        """Take so many bytes into the present task, if they are few enough to go beside others."""
        return size <= FULL_MESSAGE and self._takes(size, FULL_TASK)

    def _takes(self, size: int, most: int) -> bool:
        if (task := workflow.info().get_current_history_length()) != self._task:
            self._task, self._bytes = task, 0
        if self._bytes and self._bytes + size > most:
            return False
        self._bytes += size
        return True
