"""How a workflow has its ledger entries written, and learns what stands in their place when it has them wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from service.engine.entries import Entry
from service.engine.projecting import ENDS
from service.engine.state import json_size
from service.temporal.orders import NOT_THE_WRITER, RECORD, STORED, Batch, Place, Stored
from service.temporal.pacing import FULL_MESSAGE, Pace

PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
"""How what must happen is tried again and again."""

SOON = timedelta(seconds=10)
"""How long a statement or two may take, before another worker tries the same: the one that had it may have died."""


async def write(batch: Batch, *, at_once: bool, pace: Pace | None) -> list[Entry]:
    """Write entries; gives all that is stored from their first number on when that is something else, else nothing.

    `at_once`: from within the workflow task, as far as the database answers soon. Those activities are the worker's
    alone; Temporal gets the others, and without a `pace` each as a whole.
    """
    stored = await _at_once(batch) if at_once else None
    if stored is not None:
        return await _whole(batch, stored.entries, stored)
    written: list[dict[str, Any]] = []
    for portion in [batch] if pace is None else portions(batch):
        if pace is not None:
            await pace.room(sum(json_size(entry["data"]) for entry in portion.entries))
        stored = await _for_sure(portion)
        if stored.entries:
            return await _whole(batch, [*written, *stored.entries], stored)
        written += portion.entries
    return []


def portions(batch: Batch) -> list[Batch]:
    """Cut a batch into some of which each goes into a message, with the phase that follows each."""
    cut: list[list[dict[str, Any]]] = [[]]
    room = FULL_MESSAGE
    for entry in batch.entries:
        size = json_size(entry["data"])
        if size > room and cut[-1]:
            cut.append([])
            room = FULL_MESSAGE
        cut[-1].append(entry)
        room -= size
    has_ended = batch.phase in ("COMPENSATING", "NONE") and not any(entry["type"] in ENDS for entry in batch.entries)
    found = []
    for entries in cut[:-1]:
        has_ended = has_ended or any(entry["type"] in ENDS for entry in entries)
        found.append(replace(batch, entries=entries, phase="COMPENSATING" if has_ended else "RUNNING"))
    return [*found, replace(batch, entries=cut[-1])]


async def stored_behind(place: Place) -> list[Entry]:
    """Read what is stored behind a place."""
    stored = await _stored(place)
    return await _rest(place, stored.entries, stored)


async def _whole(batch: Batch, documents: list[dict[str, Any]], stored: Stored) -> list[Entry]:
    """Read what else is stored in place of a batch."""
    return await _rest(Place(batch.workspace, batch.execution_id), documents, stored)


async def _rest(place: Place, documents: list[dict[str, Any]], stored: Stored) -> list[Entry]:
    while stored.more:
        stored = await _stored(replace(place, after=documents[-1]["number"]))
        documents = [*documents, *stored.entries]
    return [Entry.from_dict(document) for document in documents]


async def _at_once(batch: Batch) -> Stored | None:
    """Write entries from within the workflow task; None when the database does not answer soon."""
    try:
        stored: Stored | None = await workflow.execute_local_activity(
            RECORD,
            batch,
            result_type=Stored,
            schedule_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_attempts=2, non_retryable_error_types=[NOT_THE_WRITER]),
        )
    except FailureError as error:
        cause = error.cause if isinstance(error, ActivityError) else error  # a local one's comes without its wrapping
        if isinstance(cause, ApplicationError) and cause.type == NOT_THE_WRITER:
            raise ApplicationError(cause.message, type=NOT_THE_WRITER, non_retryable=True) from error
        return None
    return stored or Stored()


async def _for_sure(batch: Batch) -> Stored:
    """Write entries by an activity that begins when the workflow task has ended well, and never gives up."""
    stored: Stored | None = await workflow.execute_activity(
        RECORD,
        batch,
        result_type=Stored,
        start_to_close_timeout=SOON,
        retry_policy=replace(PATIENT, non_retryable_error_types=[NOT_THE_WRITER]),
    )
    return stored or Stored()


async def _stored(place: Place) -> Stored:
    stored: Stored = await workflow.execute_activity(
        STORED, place, result_type=Stored, start_to_close_timeout=SOON, retry_policy=PATIENT
    )
    return stored
