"""Triggers."""

from __future__ import annotations

from collections.abc import Sequence

from peewee import Value, fn

from service.domain.errors import NotFound
from service.domain.fields import shown
from service.domain.trigger import Trigger
from storage import models, templates
from storage.database import Row, query, refusing, run, sql

_T = models.Trigger
_COLUMNS = models.columns(_T, Trigger)
_GET = _T.select(*_COLUMNS).where(_T.workspace == "", _T.id == "")
_BY_ID = sql(_GET)
_BY_ID_LOCKED = sql(models.locking(_GET))
_FOR_PATTERNS = sql(
    _T.select(*_COLUMNS)
    .where(_T.workspace == "", _T.pattern == fn.ANY(Value([], unpack=False)))
    .order_by(_T.priority, _T.create_time, _T.id)
)


def add(trigger: Trigger) -> None:
    """Store a new trigger."""
    with refusing(triggers_template=templates.not_found(trigger.template_id)):
        run(_T.insert(models.values(trigger)))


def get(workspace: str, trigger_id: str) -> Trigger:
    """Get a trigger."""
    return _found(query(_BY_ID, (workspace, trigger_id)), trigger_id)


def find(workspace: str, trigger_id: str) -> Trigger | None:
    """Find a trigger; None when it has been deleted."""
    rows = query(_BY_ID, (workspace, trigger_id))
    return Trigger(*rows[0]) if rows else None


def lock(workspace: str, trigger_id: str) -> Trigger:
    """Get a trigger and keep others from changing it until the transaction ends."""
    return _found(query(_BY_ID_LOCKED, (workspace, trigger_id)), trigger_id)


def replace(trigger: Trigger) -> None:
    """Store another edition of a locked trigger."""
    run(_T.update(models.values(trigger)).where(_T.workspace == trigger.workspace, _T.id == trigger.id))


def delete(trigger: Trigger) -> None:
    """Delete a locked trigger."""
    run(_T.delete().where(_T.workspace == trigger.workspace, _T.id == trigger.id))


def of_definition(workspace: str, template_id: str) -> list[Trigger]:
    """List the triggers of a template that its active version's definition has, in its order."""
    conditions = (_T.workspace == workspace, _T.template_id == template_id, _T.version_id.is_null(is_null=False))
    return [Trigger(*row) for row in run(_T.select(*_COLUMNS).where(*conditions).order_by(_T.id))]


def for_patterns(workspace: str, patterns: Sequence[str]) -> list[Trigger]:
    """List the triggers for any of these patterns in the order in which they are asked."""
    return [Trigger(*row) for row in query(_FOR_PATTERNS, (workspace, list(patterns)), prepared=True)]


def page(workspace: str, *, template_id: str, pattern: str, before: str, limit: int) -> list[Trigger]:
    """List triggers, newest first: those of a template or with a pattern, or all, from before the id `before`."""
    conditions = [_T.workspace == workspace]
    if template_id:
        conditions.append(_T.template_id == template_id)
    if pattern:
        conditions.append(_T.pattern == pattern)
    if before:
        conditions.append(_T.id < before)
    rows = run(_T.select(*_COLUMNS).where(*conditions).order_by(_T.id.desc()).limit(limit))
    return [Trigger(*row) for row in rows]


def _found(rows: list[Row], trigger_id: str) -> Trigger:
    if not rows:
        raise NotFound("TRIGGER_NOT_FOUND", f"trigger {shown(trigger_id)} does not exist", trigger_id=trigger_id)
    return Trigger(*rows[0])
