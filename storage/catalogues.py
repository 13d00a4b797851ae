"""Catalogues: at most one in a workspace, kept as one document."""

from __future__ import annotations

import json
from dataclasses import asdict

from service.domain.catalogue import Catalogue, ServiceRequestType, Task, TaskGroup
from service.domain.errors import Conflict, NotFound
from service.domain.json_text import Json, compact
from storage import models
from storage.database import query, refusing, run, sql

_C = models.Catalogue
_COLUMNS = models.columns(_C, Catalogue)
_GET = _C.select(*_COLUMNS).where(_C.workspace == "")
_BY_WORKSPACE = sql(_GET)
_BY_WORKSPACE_LOCKED = sql(models.locking(_GET))


def find(workspace: str) -> Catalogue | None:
    """Get a workspace's catalogue; None if it has none."""
    return _found(_BY_WORKSPACE, workspace)


def get(workspace: str) -> Catalogue:
    """Get a workspace's catalogue, which must be there."""
    catalogue = find(workspace)
    if catalogue is None:
        raise NotFound("CATALOGUE_NOT_FOUND", "the workspace has no catalogue; PutCatalogue gives it one")
    return catalogue


def lock(workspace: str) -> Catalogue | None:
    """Get a workspace's catalogue and keep others from changing it until the transaction ends; None if it has none."""
    return _found(_BY_WORKSPACE_LOCKED, workspace)


def add(catalogue: Catalogue) -> None:
    """Store a workspace's first catalogue."""
    quicker = Conflict("CONCURRENT_CHANGE", "another call has just given the workspace its first catalogue; try again")
    with refusing(catalogues_one_a_workspace=quicker):
        run(_C.insert(_values(catalogue)))


def replace(catalogue: Catalogue) -> None:
    """Store another edition of a locked catalogue."""
    run(_C.update(_values(catalogue)).where(_C.workspace == catalogue.workspace))


def _found(statement: str, workspace: str) -> Catalogue | None:
    rows = query(statement, (workspace,))
    if not rows:
        return None
    workspace, types, *others = rows[0]
    return Catalogue(workspace, tuple(_type(written) for written in json.loads(types)), *others)


def _values(catalogue: Catalogue) -> dict[str, Json]:
    types = compact([asdict(type) for type in catalogue.types])
    return {**models.values(catalogue), "types": types}


def _type(written: Json) -> ServiceRequestType:
    groups = (
        TaskGroup(group["key"], group["name"], tuple(Task(**task) for task in group["tasks"]))
        for group in written["task_groups"]
    )
    return ServiceRequestType(written["key"], written["name"], tuple(groups))
