"""Events as they were published, kept until they expire.

`match_after` is when some server is to look for what an event concerns: whoever stores one does so at once, and the
mark stays for others in case it dies meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from service.domain import event_key, event_pattern
from service.domain.errors import NotFound
from service.domain.event import Event
from service.domain.fields import shown
from storage.database import query
from storage.waits import Wait

_NAMES = [field.name for field in fields(Event)]
COLUMNS = ", ".join(_NAMES)

SCANNED = 2_000
"""Events that one page of a list looks at when a pattern with wildcards narrows it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Events of a list, each with its position, and the position behind all that was looked at."""

    events: list[tuple[Event, str]]
    rest: str


def add(event: Event, request: tuple[str, str], lease: float) -> Event | None:
    """Store a new event with the request behind it (id and digest); None when there is one of that id already.

    Gives it with the database's own time. The caller looks within `lease` seconds for what it concerns.
    """
    life = event.expire_time - event.publish_time
    rows = query(
        "WITH e AS (INSERT INTO events (workspace, event_id, name, version, source, event_time, payload, metadata, "
        "digest, depth, expire_time, match_after, keys) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
        "now() + %s::interval, now() + make_interval(secs => %s), %s::bigint[]) ON CONFLICT DO NOTHING RETURNING *), "
        "q AS (INSERT INTO requests SELECT workspace, %s, 'PublishEvent', %s, '', now() FROM e) "
        f"SELECT {COLUMNS} FROM e",
        (
            event.workspace,
            event.event_id,
            event.name,
            event.version,
            event.source,
            event.event_time,
            event.payload,
            event.metadata,
            event.digest,
            event.depth,
            life,
            lease,
            event_key.keys(event.workspace, event.seen()),
            *request,
        ),
        prepared=True,
    )
    return Event(*rows[0]) if rows else None


def find(workspace: str, event_id: str) -> Event | None:
    """Find an event; None when there is none of that id, or it has expired."""
    rows = query(
        f"SELECT {COLUMNS} FROM events WHERE workspace = %s AND event_id = %s", (workspace, event_id), prepared=True
    )
    return Event(*rows[0]) if rows else None


def get(workspace: str, event_id: str) -> Event:
    """Get an event."""
    event = find(workspace, event_id)
    if event is None:
        raise missing(event_id)
    return event


def missing(event_id: str) -> NotFound:
    """Say that there is no such event."""
    return NotFound("EVENT_NOT_FOUND", f"event {shown(event_id)} does not exist, or has expired", event_id=event_id)


def page(workspace: str, *, pattern: str, after: str, limit: int, in_order: bool) -> Found:
    """List events behind a position: in the order of publishing as far as it is settled, or newest first.

    In order, nothing is left out that is committed later: a reader who goes on from `rest` sees every event once.
    """
    conditions, values = ["workspace = %s"], [workspace]
    if pattern and not event_pattern.has_wildcards(pattern):
        conditions.append("name = %s")
        values.append(pattern)
    if in_order:
        conditions.append("written < pg_snapshot_xmin(pg_current_snapshot())")
    if after:
        conditions.append(f"(written, seq) {'>' if in_order else '<'} (%s::text::xid8, %s::bigint)")
        values += after.split("/")
    direction = "" if in_order else "DESC"
    wide = event_pattern.has_wildcards(pattern)
    rows = query(
        f"SELECT {COLUMNS}, written::text, seq FROM events WHERE {' AND '.join(conditions)} "
        f"ORDER BY written {direction}, seq {direction} LIMIT %s",
        (*values, SCANNED if wide else limit),
    )
    found = [(Event(*row[:-2]), f"{row[-2]}/{row[-1]}") for row in rows]
    matching = [one for one in found if not wide or event_pattern.matches(pattern, one[0].name)]
    if len(matching) >= limit:
        return Found(matching[:limit], matching[limit - 1][1])
    is_last = not in_order and len(rows) < (SCANNED if wide else limit)
    return Found(matching, "" if is_last else found[-1][1] if found else after or "0/0")


def before(wait: Wait, after: str, limit: int) -> list[tuple[Event, str]]:
    """Find the oldest events that may be what a wait waits for, each with its position.

    Those that it was told of before, and those that its execution has taken in, are left out; what it was told of while
    it was switched off is not.

    `after` is the position behind which to look, empty at first. Where the wait has a key, an event found may still
    have another value there, because it has more values than are listed.
    """
    name = "name ~ %s" if event_pattern.has_wildcards(wait.pattern) else "name = %s"
    named = event_pattern.expression(wait.pattern) if event_pattern.has_wildcards(wait.pattern) else wait.pattern
    rest = (
        f"workspace = %s AND {name} AND publish_time >= %s AND expire_time > now() "
        "AND (written, seq) > (%s::text::xid8, %s::bigint) AND NOT EXISTS (SELECT FROM "
        "deliveries d WHERE (d.workspace, d.event_id) = (v.workspace, v.event_id) AND d.execution_id = %s "
        "AND (d.status = 'CONSUMED' OR d.step_id = %s AND d.visit = %s AND d.reason <> 'EVENT_NOT_AWAITED'))"
    )
    values = [wait.workspace, named, wait.since, *(after or "0/0").split("/")]
    values += [wait.execution_id, wait.step_id, wait.visit]
    columns = f"{COLUMNS}, written::text || '/' || seq"
    if wait.key_path:
        # Apart, so that no other index looks better while the table has no statistics.
        sql = (
            "WITH k AS MATERIALIZED (SELECT * FROM events WHERE keys @> %s::bigint[]) "
            f"SELECT {columns} FROM (SELECT * FROM k v WHERE {rest} UNION ALL "
            f"SELECT * FROM events v WHERE keys IS NULL AND {rest}) found ORDER BY written, seq LIMIT %s"
        )
        key = [event_key.key(wait.workspace, wait.key_path, wait.key_hash)]
        rows = query(sql, (key, *values, *values, limit))
    else:
        rows = query(f"SELECT {columns} FROM events v WHERE {rest} ORDER BY written, seq LIMIT %s", (*values, limit))
    return [(Event(*row[:-1]), row[-1]) for row in rows]


def claim(limit: int, lease: float) -> list[Event]:
    """Take events whose concerns are to be looked for; nobody else takes them within `lease` seconds."""
    rows = query(
        "UPDATE events SET match_after = now() + make_interval(secs => %s) WHERE (workspace, event_id) IN "
        "(SELECT workspace, event_id FROM events WHERE match_after <= now() ORDER BY match_after LIMIT %s "
        f"FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}",
        (lease, limit),
        prepared=True,
    )
    return [Event(*row) for row in rows]


def matched(events: Sequence[Event]) -> None:
    """Note that everything these events concern is known."""
    query(
        "UPDATE events SET match_after = NULL FROM unnest(%s::text[], %s::text[]) AS x(workspace, event_id) "
        "WHERE (events.workspace, events.event_id) = (x.workspace, x.event_id) RETURNING 1",
        ([event.workspace for event in events], [event.event_id for event in events]),
        prepared=True,
    )


def is_matched(event: Event) -> bool:
    """Tell whether everything that an event concerns is known."""
    rows = query(
        "SELECT match_after IS NULL FROM events WHERE workspace = %s AND event_id = %s",
        (event.workspace, event.event_id),
        prepared=True,
    )
    return bool(rows and rows[0][0])


def expire(limit: int) -> int:
    """Delete some of the events that have expired, with their deliveries, unless one is still to be brought."""
    rows = query(
        "DELETE FROM events WHERE (workspace, event_id) IN (SELECT workspace, event_id FROM events v "
        "WHERE expire_time <= now() AND match_after IS NULL AND NOT EXISTS (SELECT FROM deliveries d "
        "WHERE (d.workspace, d.event_id) = (v.workspace, v.event_id) AND d.deliver_after IS NOT NULL) "
        "ORDER BY expire_time LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING 1",
        (limit,),
        prepared=True,
    )
    return len(rows)
