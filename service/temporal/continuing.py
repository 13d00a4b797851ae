"""Where one run of a workflow ends and the next goes on: Temporal bounds the history of each."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from service.temporal.orders import KEEP_PART, Order
from service.temporal.pacing import Room
from service.temporal.writing import PATIENT, SOON
from storage.state_parts import cut, is_portable

SUGGESTED = 4_096
"""History events at which Temporal suggests to continue as new."""

DRAIN = 4
"""An execution with tasks under way continues as new at this multiple of its limit: it starts no further tasks then."""

DRAIN_BYTES = 16 * 1024 * 1024
"""And at so many bytes of history; Temporal ends a workflow that has 50 MiB."""

QUIET = timedelta(milliseconds=200)
"""How long nobody must have told a run anything when it ends.

Temporal refuses an end that somebody's word overtakes, and the worker then repeats the whole run, at the cost of a
second and of tens of MiB. While its history is long a run starts no children, so those under way fall silent.
"""

RESTLESS = 15
"""How often a run waits for quiet, at most."""


def is_long(order: Order) -> bool:
    """Tell whether the run should end as soon as it can."""
    return workflow.info().is_continue_as_new_suggested() or _has(order, 1)


def is_draining(order: Order) -> bool:
    """Tell whether the run must come to its end, and may begin nothing that could hold it up."""
    is_large = order.paced and workflow.info().get_current_history_size() >= DRAIN_BYTES
    return is_large or _has(order, DRAIN)


def _has(order: Order, factor: int) -> bool:
    return workflow.info().get_current_history_length() >= factor * (order.history_limit or SUGGESTED)


class Words:
    """What a run is told by those who do not wait for an answer, as far as it has to be quiet at its end."""

    def __init__(self) -> None:
        self._count = 0
        self._waits = 0

    def note(self) -> None:
        """Count one."""
        self._count += 1

    async def have_ceased(self) -> bool:
        """Wait a moment and tell whether nobody said anything meanwhile; yes, when it was waited for long enough."""
        if self._count == 0 or self._waits == RESTLESS:
            return True
        before = self._count
        self._waits += 1
        await workflow.sleep(QUIET)
        return self._count == before


async def carried(order: Order, state: str, room: Room) -> tuple[str, list[str]]:
    """Give what the next run gets for a state: the text, or where it is too large the digests of its parts."""
    if is_portable(state):
        return state, []
    parts = []
    for part in cut(state):
        await room(part)
        digest: str = await workflow.execute_activity(
            KEEP_PART,
            args=[order.workspace, order.execution_id, part],
            result_type=str,
            start_to_close_timeout=SOON,
            retry_policy=PATIENT,
        )
        parts.append(digest)
    return "", parts
