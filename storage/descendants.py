"""An execution with all that are below it, to be deleted as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage import documents
from storage.database import query

PORTION = 1_000
"""Executions that one statement deletes, with all that belongs to them."""


@dataclass(frozen=True, slots=True)
class Member:
    """An execution of a family."""

    id: str
    status: str
    phase: str


def lock(workspace: str, execution_id: str) -> list[Member]:
    """Get an execution and all below it, each before those below it, and keep others from changing them.

    Empty when there is none. The parents are locked first, as whatever else locks parent and child does it.
    """
    levels = [_lock_all(workspace, "id = %s", [execution_id])]
    while levels[-1]:
        above = [member.id for member in levels[-1]]
        levels.append(_lock_all(workspace, "parent_id = ANY(%s)", [above]))
    return [member for level in levels for member in level]


def lock_parent(workspace: str, execution_id: str) -> Member | None:
    """Get the parent of an execution and keep others from changing it; None when it has none."""
    of_child = "id = (SELECT parent_id FROM executions WHERE workspace = %s AND id = %s)"
    found = _lock_all(workspace, of_child, [workspace, execution_id])
    return found[0] if found else None


def delete(workspace: str, execution_ids: Sequence[str]) -> None:
    """Delete locked executions with their step runs, ledgers and large values, in the order in which they are given.

    The request that started one told by itself that it was used; from now on only the memory of requests does.
    """
    for start in range(0, len(execution_ids), PORTION):
        portion = list(execution_ids[start : start + PORTION])
        digests = documents.used_by(workspace, portion)
        query(
            "WITH d AS (DELETE FROM executions WHERE workspace = %s AND id = ANY(%s) RETURNING *) "
            "INSERT INTO requests SELECT workspace, request_id, 'StartExecution', request_digest, '', now() FROM d "
            "WHERE parent_id IS NULL ON CONFLICT (workspace, request_id) DO UPDATE SET create_time = "
            "excluded.create_time WHERE requests.method = 'StartExecution'",
            (workspace, portion),
        )
        if digests:
            documents.release(workspace, digests)


def _lock_all(workspace: str, which: str, values: list[object]) -> list[Member]:
    rows = query(
        f"SELECT id, status, phase FROM executions WHERE workspace = %s AND {which} ORDER BY id FOR UPDATE",
        (workspace, *values),
    )
    return [Member(*row) for row in rows]
