"""How a workflow has its ledger entries written, and learns what stands in their place when it has them wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from service.engine.entries import Entry
from service.temporal.orders import NOT_THE_WRITER, RECORD, STORED, Batch, Place, Stored

PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
"""How what must happen is tried again and again."""


async def write(batch: Batch, *, at_once: bool) -> list[Entry]:
    """Write entries; gives all that is stored from their first number on when that is something else, else nothing.

    `at_once`: from within the workflow task, as far as the database answers soon.
    """
    stored = (await _at_once(batch) if at_once else None) or await _for_sure(batch)
    documents = stored.entries
    while stored.more:
        stored = await _stored(Place(batch.workspace, batch.execution_id, documents[-1]["number"]))
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
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=replace(PATIENT, non_retryable_error_types=[NOT_THE_WRITER]),
    )
    return stored or Stored()


async def _stored(place: Place) -> Stored:
    stored: Stored = await workflow.execute_activity(
        STORED, place, result_type=Stored, start_to_close_timeout=timedelta(seconds=30), retry_policy=PATIENT
    )
    return stored
