"""The activities of Heddle's own worker."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from service.engine.entries import Entry
from service.recording import NotTheWriter, record
from service.temporal.orders import NOT_THE_WRITER, RECORD, Batch
from storage.database import connection


@activity.defn(name=RECORD)
def record_batch(batch: Batch) -> None:
    """Write a batch of ledger entries, once however often it is tried."""
    entries = [Entry.from_dict(document) for document in batch.entries]
    try:
        with connection():
            record(batch.workspace, batch.execution_id, entries, batch.phase, datetime.now(UTC))
    except NotTheWriter as error:
        raise ApplicationError(str(error), type=NOT_THE_WRITER, non_retryable=True) from error
