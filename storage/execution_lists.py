"""Lists of executions.

Every page is read backwards off one index, from where the page before ended, so it costs the same however deep it is
and however much is stored. Of the things that a list is narrowed by, the narrowest picks the index. Status and phase
stand in it before the id, so each pair of them that is wanted is a stretch of its own, of which the newest are taken.
The other things are looked at row by row, but no further than `REACH` rows of a stretch: a page then has fewer
executions than it may have, perhaps none, and says where to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from service.domain import ids
from service.domain.execution import ENDED, Execution
from storage.database import query

REACH = 5_000
"""Rows of one stretch of an index that a page looks at."""

_OPEN = ("CREATED", "STARTED")
_PHASES = ("NONE", "RUNNING", "WAITING_FOR_EVENT", "WAITING_FOR_INPUT", "PAUSED", "COMPENSATING")
_PAIRS = [
    *((status, "NONE") for status in sorted(ENDED)),
    *((status, "COMPENSATING") for status in ("CANCELLED", "FAILED")),
    *((status, phase) for status in _OPEN for phase in _PHASES),
]
"""Every status with the phases that go with it; the database lets nothing else in."""

LIGHT = ", ".join(
    {
        "input": "'' AS input",
        "output": "NULL::text AS output",
        "variables": "NULL::text AS variables",
    }.get(column.name, f"e.{column.name}")
    for column in fields(Execution)
)
"""The columns of an execution `e` where its values are left out, as lists do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list is narrowed by; what is empty, or None, narrows nothing. Entity and subject are type and id."""

    subject: tuple[str, str] | None = None
    parent_id: str = ""
    root_id: str = ""  # this one, and all below it
    correlation_id: str = ""
    entity: tuple[str, str] | None = None
    version_id: str = ""
    template_id: str = ""
    statuses: frozenset[str] = frozenset()
    phase: str = ""
    created_from: datetime | None = None  # at this instant, or later
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Executions without input and output (empty, None); `rest` is where to go on, empty when nothing was left out."""

    executions: list[Execution]
    rest: str


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL with the values for its blanks."""

    sql: str
    values: tuple[Any, ...] = ()


def page(workspace: str, wanted: Wanted, *, before: str, limit: int, reach: int = REACH) -> Found:
    """List executions, newest first: at most `limit`, made before the one with the id `before` if that is given."""
    asked = statement(workspace, wanted, before=before, limit=limit, reach=reach)
    rows = query(asked.sql, asked.values)
    rest = rows[-1][0] if rows and rows[-1][1] else ""
    return Found([Execution(*row[2:]) for row in rows if row[2] is not None], rest)


def statement(workspace: str, wanted: Wanted, *, before: str, limit: int, reach: int = REACH) -> Sql:
    """Say how a page is read, for `page` and for those who want it explained.

    It looks through the stretches, puts what fits together, and gets the rows of the newest.

    Where a stretch was not looked through to its end, nothing older than the last row looked at may be told: there may
    be more of that stretch before it. Such rows have the place `reach`; one that does not fit has no execution.
    """
    own = Sql("workspace = %s", (workspace,))
    span = _span(wanted, before)
    narrowing = _narrowing(wanted)
    first, others = narrowing[:1], narrowing[1:]
    if wanted.subject or not (first or wanted.statuses or wanted.phase):  # the index has neither status nor phase
        stretches = Sql("(VALUES (1)) AS s")
        others += _statuses(wanted)
    else:
        stretches = _stretches(wanted)
        first = [*first, Sql("status = s.status AND phase = s.phase")]
    root, once = _root(own, wanted, span, others), _once(workspace, wanted)
    if root.sql:
        first.append(Sql("parent_id IS NOT NULL"))  # what its index has
    scan, fits = _all(own, *first, *span), _all(*others)
    sql = f"""
        WITH seen AS MATERIALIZED (
            SELECT x.id, x.fits, x.place FROM {stretches.sql}, LATERAL (
                SELECT id, fits, place FROM (
                    SELECT id, {fits.sql} AS fits, row_number() OVER (ORDER BY id DESC) AS place FROM executions
                    WHERE {scan.sql} ORDER BY id DESC LIMIT %s
                ) AS looked_at WHERE fits OR place = %s LIMIT %s
            ) AS x WHERE {once.sql} {root.sql}
        ), newest AS (
            SELECT id, fits, place FROM seen
            WHERE id >= (SELECT coalesce(max(id), '') FROM seen WHERE place = %s) ORDER BY id DESC LIMIT %s
        )
        SELECT newest.id, newest.place = %s, {LIGHT}
        FROM newest LEFT JOIN executions e ON newest.fits AND e.workspace = %s AND e.id = newest.id
        ORDER BY newest.id DESC"""
    inner = (*stretches.values, *fits.values, *scan.values, reach, reach, limit, *once.values, *root.values)
    return Sql(sql, (*inner, reach, limit, reach, workspace))


def _narrowing(wanted: Wanted) -> list[Sql]:
    """What the executions must have beside status and phase; the first is read from its index."""
    pairs = {"subject": wanted.subject, "entity": wanted.entity}
    found = []
    for name in ("subject", "parent_id", "root_id", "correlation_id", "entity", "version_id", "template_id"):
        if name in pairs and (pair := pairs[name]):
            found.append(Sql(f"{name}_type = %s AND {name}_id = %s", pair))
        elif name not in pairs and (value := getattr(wanted, name)):
            found.append(Sql(f"{name} = %s", (value,)))
    return found


def _span(wanted: Wanted, before: str) -> list[Sql]:
    """Where the ids lie: they are made from the time of creation."""
    limits = [before] if before else []
    if wanted.created_before is not None:
        limits.append(ids.first_at(wanted.created_before))
    span = [Sql("id < %s", (min(limits),))] if limits else []
    if wanted.created_from is not None:
        span.append(Sql("id >= %s", (ids.first_at(wanted.created_from),)))
    return span


def _stretches(wanted: Wanted) -> Sql:
    """The pairs of status and phase that are wanted."""
    pairs = [
        (status, phase)
        for status, phase in _PAIRS
        if status in (wanted.statuses or (status,)) and phase == (wanted.phase or phase)
    ]
    statuses, phases = [status for status, _ in pairs], [phase for _, phase in pairs]
    return Sql("unnest(%s::text[], %s::text[]) AS s(status, phase)", (statuses, phases))


def _statuses(wanted: Wanted) -> list[Sql]:
    """Status and phase as conditions on each row."""
    found = [Sql("status = ANY(%s)", (sorted(wanted.statuses),))] if wanted.statuses else []
    return [*found, Sql("phase = %s", (wanted.phase,))] if wanted.phase else found


def _root(own: Sql, wanted: Wanted, span: list[Sql], others: list[Sql]) -> Sql:
    """Add the root itself where the index by root is read, which has only what is below."""
    if not wanted.root_id or wanted.subject or wanted.parent_id:
        return Sql("")
    itself = Sql("id = %s AND root_id = id", (wanted.root_id,))
    fits = _all(own, itself, *span, *_statuses(wanted), *others)
    return Sql(f"UNION ALL SELECT id, true, 0 FROM executions WHERE {fits.sql}", fits.values)


def _once(workspace: str, wanted: Wanted) -> Sql:
    """What can be told without looking at any row: a version that is not of the template has no execution of it."""
    if not (wanted.version_id and wanted.template_id):
        return Sql("true")
    sql = "EXISTS (SELECT FROM versions WHERE workspace = %s AND id = %s AND template_id = %s)"
    return Sql(sql, (workspace, wanted.version_id, wanted.template_id))


def _all(*conditions: Sql) -> Sql:
    sql = " AND ".join(condition.sql for condition in conditions) or "true"
    return Sql(sql, tuple(value for condition in conditions for value in condition.values))
