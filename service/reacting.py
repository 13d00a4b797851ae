"""What an event sets going: waits are paired with it, triggers decide, and executions are told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from service.delivering import LEASE, Deliverer
from service.domain.delivery import Delivery
from service.domain.event import Event
from service.matching import match
from service.starting import Starter
from service.triggering import fire
from storage import events
from storage.database import connection

log = logging.getLogger(__name__)

AT_A_TIME = 200
"""Events that one sweep takes."""

EXPIRED = 500
"""Events that one sweep deletes."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What events set going: deliveries to be brought, whether triggers were asked, and whether all have decided."""

    deliveries: list[Delivery]
    asked: bool
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Reactor:
    """Does what events ask for."""

    deliverer: Deliverer
    starter: Starter

    def react(self, found: Sequence[Event]) -> Reaction:
        """Find whom events concern and let triggers act; the deliveries are to be brought within `LEASE` seconds.

        An event for which a trigger could not decide yet is left to a sweep.
        """
        with connection():
            concerned = match(found, LEASE)
        due: list[Delivery] = []
        undecided = set()
        for event, made, triggers in concerned:
            cancelled, is_complete = fire(event, triggers, self.starter, LEASE) if triggers else ([], True)
            due += [*made, *cancelled]
            if not is_complete:
                undecided.add((event.workspace, event.event_id))
        with connection():
            events.matched([event for event in found if (event.workspace, event.event_id) not in undecided])
        return Reaction(due, bool([one for _, _, asked in concerned for one in asked]), not undecided)

    def sweep(self) -> int:
        """React to events whose publishers did not come to it, and to Heddle's own; gives how many were due."""
        with connection():
            due = events.claim(AT_A_TIME, LEASE)
        if due:
            self.deliverer.deliver_all(self.react(due).deliveries, LEASE)
        return len(due)

    def expire(self) -> int:
        """Delete events that have expired; gives how many."""
        with connection():
            return events.expire(EXPIRED)
