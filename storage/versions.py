"""Versions. A definition may be large: what does not need it takes the version without."""

from __future__ import annotations

from contextlib import AbstractContextManager

from peewee import SQL

from service.domain.errors import AlreadyExists, WrongState
from service.domain.fields import shown
from service.domain.version import Version
from storage import models
from storage.database import Row, query, refusing, run, sql
from storage.templates import version_not_found

_V = models.Version
_COLUMNS = models.columns(_V, Version)
COLUMNS_WITHOUT_DEFINITION = [SQL("''") if column is _V.definition else column for column in _COLUMNS]
_GET = _V.select(*_COLUMNS).where(_V.workspace == "", _V.id == "")
_BY_ID = sql(_GET)
_BY_ID_LOCKED = sql(models.locking(_GET))
_BY_ID_WITHOUT_DEFINITION = sql(_V.select(*COLUMNS_WITHOUT_DEFINITION).where(_V.workspace == "", _V.id == ""))
_OF_TEMPLATE = sql(_GET.where(_V.template_id == ""))


def add(version: Version) -> None:
    """Store a new draft."""
    with _label_is_unique(version):
        run(_V.insert(models.values(version)))


def get(workspace: str, version_id: str) -> Version:
    """Get a version with its definition."""
    return _found(query(_BY_ID, (workspace, version_id)), version_id)


def get_without_definition(workspace: str, version_id: str) -> Version:
    """Get a version, its definition left empty."""
    return _found(query(_BY_ID_WITHOUT_DEFINITION, (workspace, version_id)), version_id)


def get_of_template(workspace: str, template_id: str, version_id: str) -> Version:
    """Get a version of one template with its definition."""
    return _found(query(_OF_TEMPLATE, (workspace, version_id, template_id)), version_id)


def lock(workspace: str, version_id: str) -> Version:
    """Get a version and keep others from changing it until the transaction ends."""
    return _found(query(_BY_ID_LOCKED, (workspace, version_id)), version_id)


def replace(version: Version) -> None:
    """Store another edition of a locked version."""
    with _label_is_unique(version):
        run(_V.update(models.values(version)).where(_V.workspace == version.workspace, _V.id == version.id))


def delete(version: Version) -> None:
    """Delete a locked version."""
    in_use = WrongState(
        "VERSION_IN_USE", f"cannot delete version {version.label}: it has executions", version_id=version.id
    )
    is_child = WrongState(
        "VERSION_IN_USE",
        f"cannot delete version {version.label}: a published version runs it as a child",
        version_id=version.id,
    )
    with refusing(executions_version=in_use, version_children_child=is_child):
        run(_V.delete().where(_V.workspace == version.workspace, _V.id == version.id))


def page(workspace: str, *, template_id: str, status: str | None, before: str, limit: int) -> list[Version]:
    """List a template's versions without definitions, newest first: those in a status, or all, made before `before`."""
    conditions = [_V.workspace == workspace, _V.template_id == template_id]
    if status:
        conditions.append(_V.status == status)
    if before:
        conditions.append(_V.id < before)
    rows = run(_V.select(*COLUMNS_WITHOUT_DEFINITION).where(*conditions).order_by(_V.id.desc()).limit(limit))
    return [Version(*row) for row in rows]


def _label_is_unique(version: Version) -> AbstractContextManager[None]:
    taken = AlreadyExists(
        "VERSION_LABEL_EXISTS", f"the template has a version {shown(version.label)} already", label=version.label
    )
    return refusing(versions_label_unique=taken)


def _found(rows: list[Row], version_id: str) -> Version:
    if not rows:
        raise version_not_found(version_id)
    return Version(*rows[0])
