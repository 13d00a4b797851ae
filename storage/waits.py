"""What open executions wait for. A wait comes with the ledger entry that opens it, and goes with the one that ends it.

`check_after` is when some server is to look for events that came before the wait: whoever stores one does so at once,
and the mark stays for others in case it dies meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain import event_key
from storage.database import query

LEASE = 5.0
"""Seconds in which whoever opens a wait looks for events that came before it; after that any server may."""

FARTHEST = 90 * 24 * 3600.0
"""Seconds that a wait looks back at most; no event is kept longer."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A wait as a ledger entry opens it, or gives it another key; `key_value` is JSON, empty without `key_path`."""

    step_id: str
    visit: int
    pattern: str
    key_path: str
    key_value: str
    look_back: float | None  # seconds before it that count; None: as far as the start of the execution


@dataclass(frozen=True, slots=True)
class Wait:
    """A stored wait; of the value at `key_path` only the hash is kept."""

    workspace: str
    execution_id: str
    step_id: str
    visit: int
    pattern: str
    key_path: str
    key_hash: str
    since: datetime
    check_after: datetime | None  # None: all earlier events have been looked at


_COLUMNS = "workspace, execution_id, step_id, visit, pattern, key_path, key_hash, since, check_after"


def opening(workspace: str, execution_id: str, waits: Sequence[Opened]) -> tuple[str, list[Any]]:
    """Give the part of an execution's write, if `e` has a row, that stores its new waits.

    What counts is reckoned by the database's clock alone, which also tells when an event was published; so the event
    that starts an execution lies before it. A new execution cannot be seen by the statement that stores it.
    """
    part = (
        "wo AS (INSERT INTO waits (workspace, execution_id, step_id, visit, pattern, key_path, key_hash, since, "
        "check_after) SELECT %s, %s, x.step_id, x.visit, x.pattern, x.key_path, x.key_hash, "
        "coalesce(now() - make_interval(secs => x.look_back - greatest(0, x.look_back - %s)), "
        "(SELECT insert_time FROM executions WHERE workspace = %s AND id = %s), now()), "
        "now() + make_interval(secs => %s) FROM e, unnest(%s::text[], %s::integer[], %s::text[], %s::text[], "
        "%s::text[], %s::float8[]) AS x(step_id, visit, pattern, key_path, key_hash, look_back) "
        "ON CONFLICT (workspace, execution_id, step_id, visit) DO UPDATE SET key_path = excluded.key_path, "
        "key_hash = excluded.key_hash, check_after = excluded.check_after)"
    )
    values: list[Any] = [workspace, execution_id, FARTHEST, workspace, execution_id, LEASE]
    keys = [event_key.of_wait(wait.key_path, wait.key_value) for wait in waits]
    values += [
        [wait.step_id for wait in waits],
        [wait.visit for wait in waits],
        [wait.pattern for wait in waits],
        [path for path, _ in keys],
        [digest for _, digest in keys],
        [wait.look_back for wait in waits],
    ]
    return part, values


def closing(workspace: str, execution_id: str, waits: Sequence[tuple[str, int]]) -> tuple[str, list[Any]]:
    """Give the part of a write that takes away waits, by step and visit."""
    part = (
        "wc AS (DELETE FROM waits USING e, unnest(%s::text[], %s::integer[]) AS x(step_id, visit) "
        "WHERE workspace = %s AND execution_id = %s AND (waits.step_id, waits.visit) = (x.step_id, x.visit))"
    )
    return part, [[step for step, _ in waits], [visit for _, visit in waits], workspace, execution_id]


def closing_all(workspace: str, execution_id: str) -> tuple[str, list[Any]]:
    """Give the part of a write that takes away all waits of an execution that ends."""
    return "wc AS (DELETE FROM waits USING e WHERE workspace = %s AND execution_id = %s)", [workspace, execution_id]


def key_paths(workspace: str, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """List at which paths the waits for any of these patterns want a value: one pair of pattern and path for each.

    However many waits there are, it takes one look into the index for each pattern and each path.
    """
    next_path = "(SELECT min(key_path) FROM waits w WHERE w.workspace = %s AND w.pattern = {} {})"
    rows = query(
        "WITH RECURSIVE k AS (SELECT p AS pattern, "
        f"{next_path.format('p', '')} AS path FROM unnest(%s::text[]) AS p UNION ALL "
        f"SELECT k.pattern, {next_path.format('k.pattern', 'AND w.key_path > k.path')} FROM k "
        "WHERE k.path IS NOT NULL) SELECT pattern, path FROM k WHERE path IS NOT NULL",
        (workspace, list(patterns), workspace),
        prepared=True,
    )
    return [(pattern, path) for pattern, path in rows]


def is_open(wait: Wait) -> bool:
    """Tell whether a wait still goes on."""
    rows = query(
        "SELECT 1 FROM waits WHERE workspace = %s AND execution_id = %s AND step_id = %s AND visit = %s",
        (wait.workspace, wait.execution_id, wait.step_id, wait.visit),
        prepared=True,
    )
    return bool(rows)


def of(workspace: str, execution_id: str) -> list[Wait]:
    """List the open waits of an execution."""
    return _read(f"SELECT {_COLUMNS} FROM waits WHERE workspace = %s AND execution_id = %s", (workspace, execution_id))


def unchecked(workspace: str, execution_id: str) -> list[Wait]:
    """List the waits of an execution for which events that came before have not all been looked at."""
    where = "workspace = %s AND execution_id = %s AND check_after IS NOT NULL"
    return _read(f"SELECT {_COLUMNS} FROM waits WHERE {where}", (workspace, execution_id))


def claim(limit: int, lease: float) -> list[Wait]:
    """Take waits for which earlier events are to be looked at; nobody else takes them within `lease` seconds."""
    return _read(
        "UPDATE waits SET check_after = now() + make_interval(secs => %s) "
        "WHERE (workspace, execution_id, step_id, visit) IN (SELECT workspace, execution_id, step_id, visit "
        "FROM waits WHERE check_after <= now() "
        f"ORDER BY check_after LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}",
        (lease, limit),
    )


def checked(wait: Wait) -> None:
    """Note that all events that came before a wait have been looked at, unless it has got another key meanwhile."""
    query(
        "UPDATE waits SET check_after = NULL WHERE workspace = %s AND execution_id = %s AND step_id = %s "
        "AND visit = %s AND check_after = %s RETURNING 1",
        (wait.workspace, wait.execution_id, wait.step_id, wait.visit, wait.check_after),
        prepared=True,
    )


def _read(sql: str, values: Sequence[Any]) -> list[Wait]:
    return [Wait(*row) for row in query(sql, values, prepared=True)]
