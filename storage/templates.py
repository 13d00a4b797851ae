"""Templates."""

from __future__ import annotations

from service.domain.errors import AlreadyExists, NotFound, WrongState
from service.domain.fields import shown
from service.domain.template import Template
from storage import children, models
from storage.database import Row, query, refusing, run, sql

_T, _V = models.Template, models.Version
COLUMNS = models.columns(_T, Template)
_GET = _T.select(*COLUMNS).where(_T.workspace == "", _T.id == "")
_BY_ID = sql(_GET)
_BY_ID_LOCKED = sql(models.locking(_GET))
_HOLD = sql(_GET.for_update("FOR KEY SHARE"))  # type: ignore[arg-type] # the stubs know of a flag only
_BY_KEY = sql(_T.select(*COLUMNS).where(_T.workspace == "", _T.key == ""))
_OF_VERSION = (
    _T.select(*COLUMNS)
    .join(_V, on=(_V.workspace == _T.workspace) & (_V.template_id == _T.id))
    .where(_V.workspace == "", _V.id == "")
)
_OF_VERSION_LOCKED = sql(models.locking(_OF_VERSION, of=_T))
_TAKE_NUMBER = sql(
    _T.update(last_number=_T.last_number + 1).where(_T.workspace == "", _T.id == "").returning(_T.last_number)
)

_IN_STATE = {
    "DRAFT": ~_T.archived & _T.active_version_id.is_null(),
    "ACTIVE": ~_T.archived & _T.active_version_id.is_null(is_null=False),
    "ARCHIVED": _T.archived == True,  # noqa: E712 - Peewee makes SQL of it
}


def add(template: Template) -> None:
    """Store a new template."""
    taken = AlreadyExists(
        "TEMPLATE_KEY_EXISTS", f"a template with the key {shown(template.key)} exists already", key=template.key
    )
    with refusing(templates_key_unique=taken):
        run(_T.insert(models.values(template)))


def get(workspace: str, template_id: str) -> Template:
    """Get a template."""
    return _found(query(_BY_ID, (workspace, template_id)), template_id)


def by_key(workspace: str, key: str) -> Template:
    """Get the template that has a key."""
    return _found(query(_BY_KEY, (workspace, key)), key)


def lock(workspace: str, template_id: str) -> Template:
    """Get a template and keep others from changing it until the transaction ends."""
    return _found(query(_BY_ID_LOCKED, (workspace, template_id)), template_id)


def hold(workspace: str, template_id: str) -> None:
    """Keep others from deleting a template until the transaction ends.

    What will refer to it takes this before it locks anything else that goes with a template: deleting one locks it
    first and its links afterwards, and whoever did it the other way round could wait for each other in a circle.
    """
    if not query(_HOLD, (workspace, template_id)):
        raise not_found(template_id)


def lock_of_version(workspace: str, version_id: str) -> Template:
    """Get the template of a version and keep others from changing it; it is locked before its versions, always."""
    rows = query(_OF_VERSION_LOCKED, (workspace, version_id))
    if not rows:
        raise version_not_found(version_id)
    return Template(*rows[0])


def take_number(workspace: str, template_id: str) -> int:
    """Take the number of the template's next version; others wait for theirs until the transaction ends."""
    rows = query(_TAKE_NUMBER, (1, workspace, template_id))
    if not rows:
        raise not_found(template_id)
    return int(rows[0][0])


def replace(template: Template) -> None:
    """Store another edition of a locked template."""
    run(_T.update(models.values(template)).where(_T.workspace == template.workspace, _T.id == template.id))


def delete(template: Template) -> None:
    """Delete a locked template with its versions and links."""
    in_use = WrongState(
        "TEMPLATE_IN_USE", f"cannot delete template {template.key}: it has executions", template_id=template.id
    )
    has_children = WrongState(
        "TEMPLATE_IN_USE",
        f"cannot delete template {template.key}: published versions of other templates run versions of it as children",
        template_id=template.id,
    )
    children.forget(template.workspace, template.id)
    with refusing(executions_version=in_use, version_children_child=has_children):
        run(_T.delete().where(_T.workspace == template.workspace, _T.id == template.id))


def page(workspace: str, *, state: str | None, before: str, limit: int) -> list[Template]:
    """List templates, newest first: those in a state, or all, from the one made before the id `before`."""
    conditions = [_T.workspace == workspace]
    if state:
        conditions.append(_IN_STATE[state])
    if before:
        conditions.append(_T.id < before)
    rows = run(_T.select(*COLUMNS).where(*conditions).order_by(_T.id.desc()).limit(limit))
    return [Template(*row) for row in rows]


def version_not_found(version_id: str) -> NotFound:
    """Say that there is no such version."""
    return NotFound("VERSION_NOT_FOUND", f"version {shown(version_id)} does not exist", version_id=version_id)


def _found(rows: list[Row], name: str) -> Template:
    if not rows:
        raise not_found(name)
    return Template(*rows[0])


def not_found(name: str) -> NotFound:
    return NotFound("TEMPLATE_NOT_FOUND", f"template {shown(name)} does not exist", template=name)
