"""Bringing events to the executions that wait for them. The workflow alone judges whether it takes one.

Publishing commits the event and then looks for waits; an execution commits its wait and then looks for events. So at
least one of them sees the other, and whoever does makes the delivery, of which there is one for each event and wait.
What a process leaves undone when it dies is marked in its row, and done by a server's sweep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from service.domain.delivery import Delivery
from service.domain.event import Event
from service.domain.execution import Execution
from service.engine.observations import Cancelled, EventDelivered, encode
from service.engine.run import Refused
from service.gateway import Gateway, TemporalAway, WorkflowEnded
from service.matching import may_want
from service.observing import observe
from service.pacing import Pace
from storage import deliveries, events, executions, triggers, waits
from storage.database import connection
from storage.executions import Recorded
from storage.waits import Wait

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds in which whoever took a delivery must have brought it."""

AT_ONCE = 8
"""Deliveries that one thread brings at the same time."""

LATER = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Seconds between the attempts to bring one; the last one repeats."""

SOON = 1.0
"""Seconds in which a signal's effect is to be seen."""

LOOKED_AT = 50
"""Events that a look back fetches at a time."""

LOOKS = 4
"""Times that a look back fetches before it leaves the rest to a sweep."""


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Brings events to executions."""

    gateway: Gateway
    settle: Callable[[Execution, Recorded, float], None]
    cancel_unlaunched: Callable[[Execution, Cancelled], bool]
    pace: Pace = field(default_factory=Pace)  # of signals

    def deliver(self, delivery: Delivery, seconds: float, event: Event | None = None) -> None:
        """Bring one event to one execution, record what came of it, and see to the waits that this opens."""
        limit = time.monotonic() + seconds
        if self._deliver(delivery, seconds, event):
            self.look_back(delivery.workspace, delivery.execution_id, limit - time.monotonic())

    def _deliver(self, delivery: Delivery, seconds: float, known: Event | None = None) -> bool:
        """Likewise, without looking at new waits; tells whether there are some.

        Who knows the event has just made the delivery, so the ledger's write that takes it in marks it.
        """
        with connection():
            event = known or events.find(delivery.workspace, delivery.event_id)
            execution = executions.get(delivery.workspace, delivery.execution_id)
        if event is None or execution is None:
            return False  # the delivery has gone with them
        if delivery.is_keyed and execution.status == "STARTED" and self._told(delivery, event, execution, seconds):
            return False  # the worker has seen to new waits
        try:
            waits_are_new = self._bring(delivery, event, execution, seconds)
            if known is None:
                with connection():
                    deliveries.consume(delivery)  # the ledger's write has done so, but for what was taken in before
            return waits_are_new
        except Refused as refused:
            with connection():
                deliveries.reject(delivery, refused.reason, refused.message)
        except WorkflowEnded as ended:
            self._ended(delivery, ended)
        except TemporalAway as away:
            _later(delivery, f"{away}")
        return False

    def deliver_all(self, due: Sequence[Delivery], seconds: float, event: Event | None = None) -> None:
        """Bring several, as far as the time goes; `event` is that of all of them, where it is known."""
        if len(due) == 1:
            self.deliver(due[0], seconds, event)
        elif due:
            limit = time.monotonic() + seconds
            with ThreadPoolExecutor(min(AT_ONCE, len(due)), "deliver") as pool:
                list(pool.map(lambda one: self._in_time(one, limit, event), due))

    def look_back(self, workspace: str, execution_id: str, seconds: float) -> None:
        """Bring an execution the events that came before its newest waits, as far as the time goes."""
        limit = time.monotonic() + seconds
        seen: set[Wait] = set()
        while time.monotonic() < limit:
            with connection():
                found = [wait for wait in waits.unchecked(workspace, execution_id) if wait not in seen]
            if not found:
                return
            for wait in found:
                self._look_back(wait, limit)
            seen.update(found)

    def pass_on(self, workspace: str, execution_id: str) -> None:
        """Likewise, without waiting for what the execution makes of them; what it refuses is known later."""
        with connection():
            found = waits.unchecked(workspace, execution_id)
            execution = executions.get(workspace, execution_id) if found else None
        if execution is None:
            return
        for wait in found:
            for event, delivery in _before(wait):
                try:
                    word = encode(_word(delivery, event))
                    self.gateway.tell(execution.workflow_id, word, after=execution.last_number)
                except (WorkflowEnded, TemporalAway) as away:
                    log.info("event %s reaches execution %s later: %s", event.event_id, execution_id, away)

    def sweep_waits(self) -> int:
        """Look back for waits whose executions' writers did not come to it; gives how many were due."""
        with connection():
            due = waits.claim(50, LEASE)
        limit = time.monotonic() + LEASE
        for wait in due:
            self._look_back(wait, limit)
        return len(due)

    def sweep(self) -> int:
        """Bring what others have left undone; gives how much was due."""
        with connection():
            due = deliveries.claim(50, LEASE)
        self.deliver_all(due, LEASE)
        return len(due)

    def _in_time(self, delivery: Delivery, limit: float, event: Event | None) -> None:
        if (left := limit - time.monotonic()) > 0:
            self.deliver(delivery, left, event)

    def _told(self, delivery: Delivery, event: Event, execution: Execution, seconds: float) -> bool:
        """Bring an event that is surely the one waited for by a signal, which costs Temporal and the worker half.

        False when the effect cannot be read soon: then it is brought again, and the answer tells why.
        """
        try:
            self.gateway.tell(execution.workflow_id, encode(_word(delivery, event)), after=execution.last_number)
        except (WorkflowEnded, TemporalAway):
            return False
        for _ in self.pace.looks(min(seconds, SOON)):
            stored = deliveries.get(delivery)
            if stored is None or stored.status == "CONSUMED":
                return True
        return False

    def _bring(self, delivery: Delivery, event: Event, execution: Execution, seconds: float) -> bool:
        word = _word(delivery, event)
        try:
            left = observe(self.gateway, execution, word, delivery.update_id(execution), seconds)
        except TemporalAway:
            if not isinstance(word, Cancelled) or not self.cancel_unlaunched(execution, word):
                raise
            return False
        self.settle(execution, replace(left, waits=False), seconds)
        return left.waits

    def _ended(self, delivery: Delivery, ended: WorkflowEnded) -> None:
        with connection():
            execution = executions.get(delivery.workspace, delivery.execution_id)
            if execution is None:
                return
            if execution.has_ended:
                message = f"execution {execution.id} is {execution.status}"
                deliveries.reject(delivery, "EXECUTION_ENDED", message)
                return
        _later(delivery, f"{ended}")  # its record will soon say how it ended

    def _look_back(self, wait: Wait, limit: float) -> None:
        for _, delivery in _before(wait):
            if (left := limit - time.monotonic()) <= 0:
                return
            self._deliver(delivery, left)
            with connection():
                if not waits.is_open(wait):
                    return  # it has got what it waited for, or waits for something else by now


def _before(wait: Wait) -> Iterator[tuple[Event, Delivery]]:
    """Pair a wait with the events that came before it, one after another; when all are, note that."""
    position = ""
    for _ in range(LOOKS):
        with connection():
            found = events.before(wait, position, LOOKED_AT)
        for event, position in found:  # noqa: B007 - the last position is where the next look begins
            if may_want(wait, event):
                with connection():
                    delivery = deliveries.add(wait, event, LEASE)
                if delivery is not None:
                    yield event, delivery
        if len(found) < LOOKED_AT:
            with connection():
                waits.checked(wait)
            return


def _word(delivery: Delivery, event: Event) -> EventDelivered | Cancelled:
    """What an execution is told of an event: by a wait, or by a trigger that cancels it."""
    if delivery.visit:
        return EventDelivered(delivery.step_id, delivery.visit, event.seen())
    with connection():
        trigger = triggers.find(delivery.workspace, delivery.trigger_id)
    reason = (trigger.reason if trigger else "") or f"event {event.name}"
    compensates = trigger.compensate if trigger else True
    return Cancelled(reason, source="EVENT", event=event.event_id, compensates=compensates)


def _later(delivery: Delivery, why: str) -> None:
    log.info("event %s reaches execution %s later: %s", delivery.event_id, delivery.execution_id, why)
    delay = LATER[min(delivery.attempts, len(LATER) - 1)]
    with connection():
        deliveries.postpone(delivery, "TEMPORAL_UNAVAILABLE", why[:1_000], delay)
