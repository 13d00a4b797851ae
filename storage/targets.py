"""What a start names, looked up in one statement: the template, and the version that would run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.database import query


@dataclass(frozen=True, slots=True)
class Target:
    """A template with the version that a start would run; the version's parts are None when none is active."""

    template_id: str
    archived: bool
    version_id: str | None
    version_label: str | None
    version_status: str | None
    plan_digest: str | None
    template_name: str


_COLUMNS = "SELECT t.id, t.archived, v.id, v.label, v.status, v.plan_digest, t.name"
_ACTIVE = "LEFT JOIN versions v ON (v.workspace, v.id) = (t.workspace, t.active_version_id)"


def by_version(workspace: str, version_id: str) -> Target | None:
    """Look a version up; None when the workspace has none of that id."""
    return _one(
        f"{_COLUMNS} FROM versions v JOIN templates t ON (t.workspace, t.id) = (v.workspace, v.template_id) "
        "WHERE v.workspace = %s AND v.id = %s",
        (workspace, version_id),
    )


def by_template(workspace: str, template_id: str) -> Target | None:
    """Look a template up; None when the workspace has none of that id."""
    return _one(f"{_COLUMNS} FROM templates t {_ACTIVE} WHERE t.workspace = %s AND t.id = %s", (workspace, template_id))


def by_key(workspace: str, key: str) -> Target | None:
    """Look a template up; None when the workspace has none of that key."""
    return _one(f"{_COLUMNS} FROM templates t {_ACTIVE} WHERE t.workspace = %s AND t.key = %s", (workspace, key))


def by_entity(workspace: str, entity_type: str, entity_id: str) -> Target | None:
    """Look up what is linked to an entity; None when nothing is."""
    return _one(
        f"{_COLUMNS} FROM links l JOIN templates t ON (t.workspace, t.id) = (l.workspace, l.template_id) {_ACTIVE} "
        "WHERE l.workspace = %s AND l.entity_type = %s AND l.entity_id = %s",
        (workspace, entity_type, entity_id),
    )


def _one(sql: str, values: Sequence[Any]) -> Target | None:
    rows = query(sql, values, prepared=True)
    return Target(*rows[0]) if rows else None
