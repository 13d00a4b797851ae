"""What came of what was to start an execution. A start's record is written with the execution, in one statement."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from service.domain.execution import Execution
from service.domain.trigger_record import OUTCOMES, TriggerRecord
from storage.database import query

_NAMES = [field.name for field in fields(TriggerRecord)]
_COLUMNS = ", ".join(_NAMES)
_LINK_ID = "coalesce((SELECT id FROM links WHERE workspace = %s AND entity_type = %s AND entity_id = %s), '')"
_BLANKS = ", ".join(_LINK_ID if name == "source_id" else "%s" for name in _NAMES)
_RECORD = f"INSERT INTO trigger_records ({_COLUMNS}) SELECT {_BLANKS}"


def started(execution: Execution) -> tuple[str, list[Any]]:
    """Give the part of a start's statement that records it, if `e` has a row; empty when no entity is behind it."""
    if not execution.entity_type:
        return "", []
    record = TriggerRecord(
        workspace=execution.workspace,
        id=execution.id,
        source="LINK",
        entity_type=execution.entity_type,
        entity_id=execution.entity_id,
        request_id=execution.request_id,
        outcome="STARTED",
        template_id=execution.template_id,
        version_id=execution.version_id,
        create_time=execution.create_time,
    )
    return f", t AS ({_RECORD} FROM e)", _values(record)


def add(record: TriggerRecord) -> None:
    """Store the record of a refusal, once for each request and reason; its link is looked up."""
    query(f"{_RECORD} ON CONFLICT DO NOTHING", _values(record))


def page(workspace: str, entity: tuple[str, str], *, outcome: str, before: str, limit: int) -> list[TriggerRecord]:
    """List the records of an entity, newest first: those of an outcome, or all, from before the id `before`."""
    condition = " AND id < %s" if before else ""
    rows = query(
        f"SELECT {_COLUMNS} FROM (SELECT r.* FROM unnest(%s) AS o(outcome), LATERAL (SELECT * FROM trigger_records "
        f"WHERE workspace = %s AND entity_type = %s AND entity_id = %s AND outcome = o.outcome{condition} "
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


def _values(record: TriggerRecord) -> list[Any]:
    """The values for the blanks of `_RECORD`."""
    entity = (record.entity_type, record.entity_id)
    values: list[Any] = []
    for name in _NAMES:
        values += [record.workspace, *entity] if name == "source_id" else [getattr(record, name)]
    return values
