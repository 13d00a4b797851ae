"""What came of what was to start an execution. A start's record is written with the execution, in one statement."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from service.domain.delivery import Delivery
from service.domain.execution import Execution
from service.domain.trigger_record import OUTCOMES, TriggerRecord
from storage import deliveries
from storage.database import query

_NAMES = [field.name for field in fields(TriggerRecord)]
_COLUMNS = ", ".join(_NAMES)
_LINK_ID = "coalesce((SELECT id FROM links WHERE workspace = %s AND entity_type = %s AND entity_id = %s), '')"


def started(execution: Execution) -> tuple[str, list[Any]]:
    """Give the part of a start's statement that records it, if `e` has a row; empty when a caller named what to run."""
    if not execution.entity_type and not execution.trigger_id:
        return "", []
    record = TriggerRecord(
        workspace=execution.workspace,
        id=execution.id,
        source="EVENT" if execution.trigger_id else "LINK",
        source_id=execution.trigger_id,
        entity_type=execution.entity_type,
        entity_id=execution.entity_id,
        request_id=execution.request_id,
        outcome="STARTED",
        template_id=execution.template_id,
        version_id=execution.version_id,
        create_time=execution.create_time,
        event_id=execution.event_id,
    )
    insert, values = _inserting(record)
    return f", t AS ({insert} FROM e)", values


def add(record: TriggerRecord) -> None:
    """Store the record of a refusal, once for each request and reason, or event and trigger; a link is looked up."""
    insert, values = _inserting(record)
    query(f"{insert} ON CONFLICT DO NOTHING", values)


def decide_cancel(record: TriggerRecord, correlation_id: str, lease: float) -> list[Delivery]:
    """Record that a trigger cancels the open executions of a template with a correlation id, and which these are.

    Gives the deliveries by which that is to be done within `lease` seconds; none when the trigger decided before, or
    there is nothing to cancel, which is not recorded.
    """
    insert, values = _inserting(record, cancelled="(SELECT count(*) FROM x)")
    rows = query(
        "WITH x AS MATERIALIZED (SELECT id FROM executions WHERE workspace = %s AND correlation_id = %s "
        "AND correlation_id <> '' AND template_id = %s AND status IN ('CREATED', 'STARTED')), "
        f"r AS ({insert} WHERE EXISTS (SELECT FROM x) ON CONFLICT DO NOTHING RETURNING 1), "
        "d AS (INSERT INTO deliveries (workspace, event_id, execution_id, step_id, visit, status, trigger_id, "
        "deliver_after) SELECT %s, %s, x.id, '', 0, 'PENDING', %s, now() + make_interval(secs => %s) FROM x, r "
        f"ON CONFLICT DO NOTHING RETURNING {deliveries.COLUMNS}) SELECT * FROM d",
        (
            record.workspace,
            correlation_id,
            record.template_id,
            *values,
            record.workspace,
            record.event_id,
            record.source_id,
            lease,
        ),
    )
    return [Delivery(*row) for row in rows]


def decided(workspace: str, event_id: str) -> set[str]:
    """List the triggers that have decided about an event."""
    rows = query(
        "SELECT source_id FROM trigger_records WHERE workspace = %s AND event_id = %s",
        (workspace, event_id),
        prepared=True,
    )
    return {id for (id,) in rows}


def of_event(workspace: str, event_id: str, *, outcome: str, before: str, limit: int) -> list[TriggerRecord]:
    """List what triggers decided about an event, newest first, from before the id `before`."""
    return _of("event_id", workspace, event_id, outcome=outcome, before=before, limit=limit)


def of_trigger(workspace: str, trigger_id: str, *, outcome: str, before: str, limit: int) -> list[TriggerRecord]:
    """List what a trigger decided, newest first, from before the id `before`."""
    return _of("source_id", workspace, trigger_id, outcome=outcome, before=before, limit=limit)


def _of(column: str, workspace: str, id: str, *, outcome: str, before: str, limit: int) -> list[TriggerRecord]:
    rows = query(
        f"SELECT {_COLUMNS} FROM (SELECT r.* FROM unnest(%s::text[]) AS o(outcome), LATERAL (SELECT * "
        f"FROM trigger_records WHERE workspace = %s AND {column} = %s AND event_id <> '' AND outcome = o.outcome "
        f"{'AND id < %s' if before else ''} ORDER BY id DESC LIMIT %s) r) newest ORDER BY id DESC LIMIT %s",
        ([outcome] if outcome else OUTCOMES, workspace, id, *([before] if before else []), limit, limit),
        prepared=True,
    )
    return [TriggerRecord(**dict(zip(_NAMES, row, strict=True))) for row in rows]


def page(workspace: str, entity: tuple[str, str], *, outcome: str, before: str, limit: int) -> list[TriggerRecord]:
    """List the records of an entity, newest first: those of an outcome, or all, from before the id `before`."""
    condition = " AND id < %s" if before else ""
    rows = query(
        f"SELECT {_COLUMNS} FROM (SELECT r.* FROM unnest(%s::text[]) AS o(outcome), LATERAL (SELECT * "
        f"FROM trigger_records WHERE workspace = %s AND entity_type = %s AND entity_id = %s AND outcome = o.outcome"
        f"{condition} "
        "ORDER BY id DESC LIMIT %s) r) newest ORDER BY id DESC LIMIT %s",
        (
            [outcome] if outcome else OUTCOMES,
            workspace,
            *entity,
            *([before] if before else []),
            limit,
            limit,
        ),
    )
    return [TriggerRecord(**dict(zip(_NAMES, row, strict=True))) for row in rows]


def _inserting(record: TriggerRecord, *, cancelled: str = "%s") -> tuple[str, list[Any]]:
    """Write the statement that stores a record, open for a FROM, with its values."""
    blanks, values = [], []
    for name in _NAMES:
        blank, value = "%s", [getattr(record, name)]
        if name == "source_id" and record.source == "LINK":
            blank, value = _LINK_ID, [record.workspace, record.entity_type, record.entity_id]
        elif name == "cancelled" and cancelled != "%s":
            blank, value = cancelled, []
        blanks.append(blank)
        values += value
    return f"INSERT INTO trigger_records ({_COLUMNS}) SELECT {', '.join(blanks)}", values
