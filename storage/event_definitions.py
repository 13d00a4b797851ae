"""Event definitions."""

from __future__ import annotations

from service.domain import event_pattern
from service.domain.errors import AlreadyExists, NotFound
from service.domain.event_definition import EventDefinition
from service.domain.fields import shown
from storage import models
from storage.database import Row, query, refusing, run, sql

_D = models.EventDefinition
_COLUMNS = models.columns(_D, EventDefinition)
_GET = _D.select(*_COLUMNS).where(_D.workspace == "", _D.id == "")
_BY_ID = sql(_GET)
_BY_ID_LOCKED = sql(models.locking(_GET))
_BY_NAME = sql(_D.select(*_COLUMNS).where(_D.workspace == "", _D.name == ""))


def add(definition: EventDefinition) -> None:
    """Store a new definition."""
    taken = AlreadyExists(
        "EVENT_DEFINITION_EXISTS", f"events {shown(definition.name)} are defined already", name=definition.name
    )
    with refusing(event_definitions_name_unique=taken):
        run(_D.insert(models.values(definition)))


def get(workspace: str, id: str) -> EventDefinition:
    """Get a definition."""
    return _found(query(_BY_ID, (workspace, id)), id)


def lock(workspace: str, id: str) -> EventDefinition:
    """Get a definition and keep others from changing it until the transaction ends."""
    return _found(query(_BY_ID_LOCKED, (workspace, id)), id)


def by_name(workspace: str, name: str) -> EventDefinition | None:
    """Find the definition of the events of a name; None when there is none."""
    rows = query(_BY_NAME, (workspace, name), prepared=True)
    return EventDefinition(*rows[0]) if rows else None


def replace(definition: EventDefinition) -> None:
    """Store another edition of a locked definition."""
    run(_D.update(models.values(definition)).where(_D.workspace == definition.workspace, _D.id == definition.id))


def delete(definition: EventDefinition) -> None:
    """Delete a locked definition."""
    run(_D.delete().where(_D.workspace == definition.workspace, _D.id == definition.id))


def page(workspace: str, *, pattern: str, before: str, limit: int) -> list[EventDefinition]:
    """List definitions, newest first: of events that a pattern matches, or all, from before the id `before`."""
    conditions = [_D.workspace == workspace]
    if pattern:
        conditions.append(_D.name.regexp(event_pattern.expression(pattern)))
    if before:
        conditions.append(_D.id < before)
    rows = run(_D.select(*_COLUMNS).where(*conditions).order_by(_D.id.desc()).limit(limit))
    return [EventDefinition(*row) for row in rows]


def missing(name: str) -> NotFound:
    """Say that there is no such definition."""
    return NotFound("EVENT_DEFINITION_NOT_FOUND", f"event definition {shown(name)} does not exist", name=name)


def _found(rows: list[Row], id: str) -> EventDefinition:
    if not rows:
        raise missing(id)
    return EventDefinition(*rows[0])
