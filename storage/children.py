"""Which versions other versions run as children."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.version import Version
from storage.database import Row, query

_NAMED = """
    SELECT versions.id, templates.key, versions.label, versions.status,
           NULLIF((plans.body::json -> 'input_schema')::text, 'null')
    FROM versions
    JOIN templates ON templates.workspace = versions.workspace AND templates.id = versions.template_id
    LEFT JOIN plans ON plans.workspace = versions.workspace AND plans.digest = versions.plan_digest
    WHERE versions.workspace = %s AND versions.id = ANY(%s)
    ORDER BY versions.id
"""
# Drafts are not locked: two that name each other may be published at the same time, and each would wait for the other.
_LOCK = """
    SELECT 1 FROM versions WHERE workspace = %s AND id = ANY(%s) AND status = 'PUBLISHED' ORDER BY id FOR SHARE
"""
_ADD = "INSERT INTO version_children (workspace, version_id, child_version_id) SELECT %s, %s, unnest(%s::text[])"
_FORGET = """
    DELETE FROM version_children USING versions
    WHERE versions.workspace = %s AND versions.template_id = %s
    AND version_children.workspace = versions.workspace AND version_children.version_id = versions.id
"""


def named(workspace: str, version_ids: Sequence[str]) -> list[Row]:
    """Get what parents must know of some versions, of those that there are: id, template's key, label, status, schema.

    The schema is the `inputSchema` as JSON; None when the version takes any input, or is a draft.
    """
    return query(_NAMED, (workspace, list(version_ids)))


def lock(workspace: str, version_ids: Sequence[str]) -> None:
    """Keep those of some versions that are published from being deprecated or deleted until the transaction ends."""
    query(_LOCK, (workspace, list(version_ids)))


def add(parent: Version, version_ids: Sequence[str]) -> None:
    """Remember what a version that is being published runs; what it names then stays as long as it does."""
    if version_ids:
        query(_ADD, (parent.workspace, parent.id, list(version_ids)))


def forget(workspace: str, template_id: str) -> None:
    """Let go what the versions of a template name, before they are deleted with it."""
    query(_FORGET, (workspace, template_id))
