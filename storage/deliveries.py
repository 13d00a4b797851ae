"""Which event was brought to which wait, and what came of it.

`deliver_after` is when some server is to bring one that is PENDING. It is made together with what pairs event and wait,
once for each pair; CONSUMED is written with the ledger entry that took the event in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from service.domain.delivery import Delivery
from service.domain.event import Event
from storage.database import query
from storage.waits import Wait

_NAMES = [field.name for field in fields(Delivery) if field.name != "is_keyed"]
COLUMNS = ", ".join(_NAMES)

CHUNK = 200
"""Deliveries that one statement makes."""

_PLACE = "workspace = %s AND event_id = %s AND execution_id = %s AND step_id = %s AND visit = %s"


def match(event: Event, wanted: tuple[str, str, str], lease: float) -> list[Delivery]:
    """Pair an event with the waits that have a pattern, key path and key hash; gives the first of the new pairs.

    These the caller brings within `lease` seconds; where there are more than `CHUNK`, all others are due at once.
    """
    mine: list[Delivery] = []
    last: tuple[str, str, int] | None = ("", "", 0)
    is_first = True
    while last is not None:
        found, last = _match_chunk(event, wanted, last, lease if is_first else 0.0)
        if is_first:
            mine = found
        is_first = False
    return mine


def _match_chunk(
    event: Event, wanted: tuple[str, str, str], after: tuple[str, str, int], lease: float
) -> tuple[list[Delivery], tuple[str, str, int] | None]:
    rows = query(
        "WITH c AS MATERIALIZED (SELECT execution_id, step_id, visit FROM waits WHERE workspace = %s AND pattern = %s "
        "AND key_path = %s AND key_hash = %s AND (execution_id, step_id, visit) > (%s, %s, %s) AND since <= %s "
        "ORDER BY execution_id, step_id, visit LIMIT %s), "
        "i AS (INSERT INTO deliveries (workspace, event_id, execution_id, step_id, visit, status, deliver_after) "
        "SELECT %s, %s, execution_id, step_id, visit, 'PENDING', now() + make_interval(secs => %s) FROM c "
        f"ON CONFLICT DO NOTHING RETURNING {COLUMNS}) "
        "SELECT c.execution_id, c.step_id, c.visit, i.* FROM c LEFT JOIN i USING (execution_id, step_id, visit) "
        "ORDER BY 1, 2, 3",
        (event.workspace, *wanted, *after, event.publish_time, CHUNK, event.workspace, event.event_id, lease),
        prepared=True,
    )
    made = [Delivery(*row[3:]) for row in rows if row[3] is not None]
    return made, (rows[-1][0], rows[-1][1], rows[-1][2]) if len(rows) == CHUNK else None


def add(wait: Wait, event: Event, lease: float) -> Delivery | None:
    """Pair an event with a wait that came after it; None when they are paired already, or one of them is gone.

    An event that came while the wait was switched off counts again.
    """
    rows = query(
        "INSERT INTO deliveries (workspace, event_id, execution_id, step_id, visit, status, deliver_after) "
        "SELECT w.workspace, v.event_id, w.execution_id, w.step_id, w.visit, 'PENDING', "
        "now() + make_interval(secs => %s) FROM waits w JOIN events v USING (workspace) WHERE w.workspace = %s "
        "AND w.execution_id = %s AND w.step_id = %s AND w.visit = %s AND v.event_id = %s "
        "ON CONFLICT (workspace, event_id, execution_id, step_id, visit) DO UPDATE SET status = 'PENDING', "
        "deliver_after = excluded.deliver_after WHERE deliveries.status = 'REJECTED' "
        f"AND deliveries.reason = 'EVENT_NOT_AWAITED' RETURNING {COLUMNS}",
        (lease, wait.workspace, wait.execution_id, wait.step_id, wait.visit, event.event_id),
        prepared=True,
    )
    return Delivery(*rows[0]) if rows else None


def consuming(workspace: str, execution_id: str, taken: Sequence[tuple[str, str, int]]) -> tuple[str, list[Any]]:
    """Give the part of an execution's write, if `e` has a row, for the events that it took in: (event, step, visit).

    Those without a step cancelled the execution, whichever of its waits or of the triggers they were brought to.
    """
    part = (
        "dc AS (UPDATE deliveries SET status = 'CONSUMED', reason = '', message = '', deliver_after = NULL, "
        "update_time = now() FROM e, unnest(%s::text[], %s::text[], %s::integer[]) AS x(event_id, step_id, visit) "
        "WHERE workspace = %s AND execution_id = %s AND (deliveries.event_id, deliveries.step_id) = "
        "(x.event_id, x.step_id) AND (deliveries.visit = x.visit OR x.step_id = ''))"
    )
    return part, [*([one[place] for one in taken] for place in range(3)), workspace, execution_id]


def claim(limit: int, lease: float) -> list[Delivery]:
    """Take deliveries that are due; nobody else takes them within `lease` seconds."""
    rows = query(
        "UPDATE deliveries SET deliver_after = now() + make_interval(secs => %s) "
        "WHERE (workspace, event_id, execution_id, step_id, visit) IN (SELECT workspace, event_id, execution_id, "
        "step_id, visit FROM deliveries WHERE deliver_after <= now() ORDER BY deliver_after LIMIT %s "
        f"FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}",
        (lease, limit),
        prepared=True,
    )
    return [Delivery(*row) for row in rows]


def reject(delivery: Delivery, reason: str, message: str) -> None:
    """Record that nobody takes the event, and why; one that was taken in meanwhile stays so."""
    _settle(delivery, "REJECTED", reason, message)


def consume(delivery: Delivery) -> None:
    """Record that a trigger's event has done its work."""
    _settle(delivery, "CONSUMED", "", "")


def _settle(delivery: Delivery, status: str, reason: str, message: str) -> None:
    query(
        "UPDATE deliveries SET status = %s, reason = %s, message = %s, deliver_after = NULL, attempts = attempts + 1, "
        f"update_time = now() WHERE {_PLACE} AND status = 'PENDING' RETURNING 1",
        (status, reason, message, *_place(delivery)),
        prepared=True,
    )


def postpone(delivery: Delivery, reason: str, message: str, delay: float) -> None:
    """Let the delivery be tried again in `delay` seconds, and record why it was not possible now."""
    query(
        "UPDATE deliveries SET reason = %s, message = %s, deliver_after = now() + make_interval(secs => %s), "
        f"attempts = attempts + 1, update_time = now() WHERE {_PLACE} AND status = 'PENDING' RETURNING 1",
        (reason, message, delay, *_place(delivery)),
    )


def get(delivery: Delivery) -> Delivery | None:
    """Read a delivery again; None when it is gone with its execution or event."""
    rows = query(f"SELECT {COLUMNS} FROM deliveries WHERE {_PLACE}", _place(delivery), prepared=True)
    return Delivery(*rows[0]) if rows else None


def of_event(workspace: str, event_id: str, *, before: tuple[str, str, int] | None, limit: int) -> list[Delivery]:
    """List what came of an event, those to the newest executions first, from behind (execution, step, visit)."""
    condition = "AND (execution_id, step_id, visit) < (%s, %s, %s)" if before else ""
    rows = query(
        f"SELECT {COLUMNS} FROM deliveries WHERE workspace = %s AND event_id = %s {condition} "
        "ORDER BY execution_id DESC, step_id DESC, visit DESC LIMIT %s",
        (workspace, event_id, *(before or ()), limit),
        prepared=True,
    )
    return [Delivery(*row) for row in rows]


def of_execution(
    workspace: str, execution_id: str, *, before: tuple[str, str, str, int] | None, limit: int
) -> list[Delivery]:
    """List what was brought to an execution, newest first, from behind (ISO time, event, step, visit)."""
    condition = "AND (create_time, event_id, step_id, visit) < (%s, %s, %s, %s)" if before else ""
    rows = query(
        f"SELECT {COLUMNS} FROM deliveries WHERE workspace = %s AND execution_id = %s {condition} "
        "ORDER BY create_time DESC, event_id DESC, step_id DESC, visit DESC LIMIT %s",
        (workspace, execution_id, *(before or ()), limit),
    )
    return [Delivery(*row) for row in rows]


def _place(delivery: Delivery) -> tuple[str, str, str, str, int]:
    return (delivery.workspace, delivery.event_id, delivery.execution_id, delivery.step_id, delivery.visit)
