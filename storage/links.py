"""Links."""

from __future__ import annotations

from itertools import islice

from peewee import JOIN

from service.domain.errors import AlreadyExists, NotFound
from service.domain.fields import shown
from service.domain.link import Link
from service.domain.template import Template
from service.domain.version import Version
from storage import models, templates, versions
from storage.database import Row, query, refusing, run, sql

_L, _T, _V = models.Link, models.Template, models.Version
_COLUMNS = models.columns(_L, Link)
_GET = _L.select(*_COLUMNS).where(_L.workspace == "", _L.id == "")
_BY_ID = sql(_GET)
_BY_ID_LOCKED = sql(models.locking(_GET))
_BY_ENTITY = sql(_L.select(*_COLUMNS).where(_L.workspace == "", _L.entity_type == "", _L.entity_id == ""))
_RESOLVED = sql(
    _L.select(*_COLUMNS, *templates.COLUMNS, *versions.COLUMNS_WITHOUT_DEFINITION)
    .join(_T, on=(_T.workspace == _L.workspace) & (_T.id == _L.template_id))
    .join(_V, JOIN.LEFT_OUTER, on=(_V.workspace == _T.workspace) & (_V.id == _T.active_version_id))
    .where(_L.workspace == "", _L.entity_type == "", _L.entity_id == "")
)


def add(link: Link) -> None:
    """Store a new link."""
    taken = AlreadyExists(
        "LINK_ENTITY_EXISTS",
        f"{link.entity_type} {shown(link.entity_id)} is linked to a template already",
        entity_type=link.entity_type,
        entity_id=link.entity_id,
    )
    with refusing(links_entity_unique=taken, links_template=templates.not_found(link.template_id)):
        run(_L.insert(models.values(link)))


def get(workspace: str, link_id: str) -> Link:
    """Get a link."""
    return _found(query(_BY_ID, (workspace, link_id)), link_id)


def lock(workspace: str, link_id: str) -> Link:
    """Get a link and keep others from changing it until the transaction ends."""
    return _found(query(_BY_ID_LOCKED, (workspace, link_id)), link_id)


def by_entity(workspace: str, entity_type: str, entity_id: str) -> Link:
    """Get the link of an entity."""
    rows = query(_BY_ENTITY, (workspace, entity_type, entity_id), prepared=True)
    if not rows:
        raise _not_linked(entity_type, entity_id)
    return Link(*rows[0])


def resolve(workspace: str, entity_type: str, entity_id: str) -> tuple[Link, Template, Version | None]:
    """Get the link of an entity, its template, and the active version without its definition, None if there is none."""
    rows = query(_RESOLVED, (workspace, entity_type, entity_id), prepared=True)
    if not rows:
        raise _not_linked(entity_type, entity_id)
    row = iter(rows[0])
    link, template = (Link(*islice(row, len(_COLUMNS))), Template(*islice(row, len(templates.COLUMNS))))
    return link, template, Version(*row) if template.active_version_id else None


def replace(link: Link) -> None:
    """Store another edition of a locked link."""
    with refusing(links_template=templates.not_found(link.template_id)):
        run(_L.update(models.values(link)).where(_L.workspace == link.workspace, _L.id == link.id))


def delete(link: Link) -> None:
    """Delete a locked link."""
    run(_L.delete().where(_L.workspace == link.workspace, _L.id == link.id))


def page(workspace: str, *, template_id: str, entity_type: str, before: str, limit: int) -> list[Link]:
    """List links, newest first: those of a template or a type of entity, or all, made before the id `before`."""
    conditions = [_L.workspace == workspace]
    if template_id:
        conditions.append(_L.template_id == template_id)
    if entity_type:
        conditions.append(_L.entity_type == entity_type)
    if before:
        conditions.append(_L.id < before)
    rows = run(_L.select(*_COLUMNS).where(*conditions).order_by(_L.id.desc()).limit(limit))
    return [Link(*row) for row in rows]


def _not_linked(entity_type: str, entity_id: str) -> NotFound:
    return NotFound(
        "LINK_NOT_FOUND",
        f"{shown(entity_type)} {shown(entity_id)} is not linked to a template",
        entity_type=entity_type,
        entity_id=entity_id,
    )


def _found(rows: list[Row], link_id: str) -> Link:
    if not rows:
        raise NotFound("LINK_NOT_FOUND", f"link {shown(link_id)} does not exist", link_id=link_id)
    return Link(*rows[0])
