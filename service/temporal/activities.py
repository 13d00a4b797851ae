"""The activities of Heddle's own worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from service.domain.execution import Siblings
from service.engine.entries import Entry
from service.engine.state import json_size
from service.engine.steps.sub_workflow import ChildOrder
from service.recording import Diverged, NotTheWriter, record, stored_after
from service.relating import LEASE, Relations
from service.spawning import Spawner, collect
from service.temporal.orders import (
    COLLECT,
    CONFIRM,
    KEEP_PART,
    NOT_THE_WRITER,
    RECORD,
    SPAWN,
    STORED,
    Batch,
    Family,
    Place,
    Started,
    Stored,
)
from service.temporal.pacing import fitting
from storage import executions, state_parts
from storage.database import connection

log = logging.getLogger(__name__)


class Activities:
    """What the workflow asks of the world beyond tasks, on the worker's connections."""

    def __init__(self, relations: Relations, spawner: Spawner) -> None:
        self._relations = relations
        self._spawner = spawner

    @property
    def all(self) -> list[Callable[..., Any]]:
        """What to register with the worker."""
        return [
            self.record_batch,
            self.stored,
            self.confirm,
            self.keep_part,
            self.start_children,
            self.collect_outputs,
        ]

    @activity.defn(name=RECORD)
    def record_batch(self, batch: Batch) -> Stored | None:
        """Write a batch of ledger entries, once however often it is tried, and see to what it leaves to do.

        Gives what is stored instead, when others are.
        """
        entries = [Entry.from_dict(document) for document in batch.entries]
        try:
            with connection():
                left = record(batch.workspace, batch.execution_id, entries, batch.phase, datetime.now(UTC))
        except NotTheWriter as error:
            raise ApplicationError(str(error), type=NOT_THE_WRITER, non_retryable=True) from error
        except Diverged as other:
            log.info("%s", other)
            return _portion(other.entries)
        if left.reports:
            self._relations.pass_on(batch.workspace, batch.execution_id)
        if left.waits:
            self._relations.deliverer.pass_on(batch.workspace, batch.execution_id)
        if left.cancels:
            execution = executions.get(batch.workspace, batch.execution_id)
            if execution is not None:
                self._relations.cancel_children(execution, LEASE)
        return None

    @activity.defn(name=STORED)
    def stored(self, place: Place) -> Stored:
        """Read the ledger entries of an execution's present try that follow a number."""
        with connection():
            return _portion(stored_after(place.workspace, place.execution_id, place.after))

    @activity.defn(name=CONFIRM)
    def confirm(self, workspace: str, execution_id: str) -> bool:
        """Take an execution over from the database; False when it was ended there meanwhile."""
        with connection():
            executions.confirm(workspace, execution_id, datetime.now(UTC))
            execution = executions.get(workspace, execution_id)
        return execution is not None and not execution.has_ended

    @activity.defn(name=KEEP_PART)
    def keep_part(self, workspace: str, execution_id: str, part: str) -> str:
        """Store a part of a state for the next run of the workflow; gives its digest."""
        with connection():
            return state_parts.add(workspace, execution_id, part)

    @activity.defn(name=SPAWN)
    def start_children(self, family: Family) -> Started:
        """Start child executions, once however often it is tried."""
        orders = [ChildOrder(**order) for order in family.orders]
        spawned = self._spawner.spawn(_siblings(family), orders)
        return Started(spawned.items, spawned.ended)

    @activity.defn(name=COLLECT)
    def collect_outputs(self, family: Family) -> list[Any]:
        """Read the outputs of child executions, in the order of their items."""
        return collect(_siblings(family), family.items)


def _portion(entries: Sequence[Entry]) -> Stored:
    """Write the first entries that go into one message."""
    count = fitting(json_size(entry.data) for entry in entries)
    return Stored([entry.to_dict() for entry in entries[:count]], more=count < len(entries))


def _siblings(family: Family) -> Siblings:
    return Siblings(family.workspace, family.execution_id, family.step_id, family.visit, family.round)
