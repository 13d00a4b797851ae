"""Human tasks: the inbox, and who has claimed what. Opening and ending them is part of an execution's write.

A page is read backwards off one index for each name that a task may be found by, from where the page before ended, so
it costs the same however many tasks there are. What narrows it further is looked at task by task, but no further than
`REACH` of each name: a page may then have fewer tasks than it may have, and says where to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from service.domain.human_task import OPEN, STATUSES, Action, HumanTask
from storage.database import query

REACH = 2_000
"""Tasks found by one name that a page looks at."""

_OF_EXECUTION = {
    "plan_digest": "e.plan_digest",
    "execution_name": "e.name",
    "correlation_id": "e.correlation_id",
    "subject": "e.subject_type || ' ' || e.subject_id",
}
_COLUMNS = ", ".join(_OF_EXECUTION.get(field.name, f"t.{field.name}") for field in fields(HumanTask))
_SUBJECT = [field.name for field in fields(HumanTask)].index("subject")
_JOINED = "human_tasks t JOIN executions e ON (e.workspace, e.id) = (t.workspace, t.execution_id)"
_PLACE = "t.workspace = %s AND t.execution_id = %s AND t.step_id = %s AND t.visit = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list is narrowed by; what is empty, or None, narrows nothing. Any of the first four will do."""

    assignee: str = ""
    claimed_by: str = ""
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    statuses: tuple[str, ...] = OPEN
    priorities: tuple[str, ...] = ()
    due_before: datetime | None = None
    template_id: str = ""
    version_id: str = ""
    execution_id: str = ""

    @property
    def names(self) -> list[tuple[str, str]]:
        """Kinds and names, any of which a task is to be found by; empty for all tasks."""
        found = [("ASSIGNEE", self.assignee), ("CLAIMER", self.claimed_by)]
        found += [*(("ROLE", role) for role in self.roles), *(("GROUP", group) for group in self.groups)]
        return [(kind, name) for kind, name in dict.fromkeys(found) if name]


@dataclass(frozen=True, slots=True)
class Found:
    """Tasks, newest first; `rest` is the position to go on from though there are fewer, empty at the end."""

    tasks: list[HumanTask]
    rest: str


def page(workspace: str, wanted: Wanted, *, before: str, limit: int, reach: int = REACH) -> Found:
    """List tasks, newest first: at most `limit`, from before a position (`key_of`) if one is given."""
    sql, values = statement(workspace, wanted, before=before, limit=limit, reach=reach)
    rows = query(sql, values)
    rest = f"{rows[-1][0]} {rows[-1][1]}" if rows and rows[-1][2] else ""
    return Found([_task(row[3:]) for row in rows if row[3] is not None], rest)


def key_of(task: HumanTask) -> str:
    """Say where a task stands among those of its workspace."""
    return f"{task.position} {task.execution_id}"


def statement(workspace: str, wanted: Wanted, *, before: str, limit: int, reach: int = REACH) -> tuple[str, list[Any]]:
    """Say how a page is read, for `page` and for those who want it explained.

    Task after task is looked at until there are enough: `OFFSET 0` keeps the planner from joining whole tables. Where
    a stretch was not looked through to its end, nothing older than the last task looked at may be told.
    """
    span, span_values = _span(before)
    stretches, stretch_values, scan, scan_values = _source(workspace, wanted)
    fits, fit_values = _fits(wanted)
    sql = f"""
        WITH seen AS MATERIALIZED (
            SELECT x.* FROM {stretches}, LATERAL (
                SELECT * FROM (
                    SELECT a.position, a.execution_id, a.step_id, a.visit, one.fits, a.place
                    FROM ({scan} {span} ORDER BY position DESC, execution_id DESC LIMIT %s) AS a,
                    LATERAL (
                        SELECT {fits} AS fits FROM human_tasks t WHERE t.workspace = %s AND t.step_id = a.step_id
                            AND t.execution_id = a.execution_id AND t.visit = a.visit OFFSET 0
                    ) AS one
                ) AS looked_at WHERE fits OR place = %s LIMIT %s
            ) AS x
        ), floor AS (
            SELECT position, execution_id FROM seen WHERE place = %s ORDER BY 1 DESC, 2 DESC LIMIT 1
        ), newest AS (
            SELECT position, execution_id, step_id, visit, bool_or(fits) AS fits, bool_or(place = %s) AS is_last
            FROM seen WHERE NOT EXISTS (SELECT FROM floor)
                OR (position, execution_id) >= (SELECT position, execution_id FROM floor)
            GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 2 DESC LIMIT %s
        )
        SELECT n.position, n.execution_id, n.is_last, {_COLUMNS}
        FROM newest n LEFT JOIN ({_JOINED}) ON n.fits AND t.workspace = %s
            AND (t.execution_id, t.step_id, t.visit) = (n.execution_id, n.step_id, n.visit)
        ORDER BY 1 DESC, 2 DESC"""
    values = [*stretch_values, *scan_values, *span_values, reach, *fit_values, workspace, reach, limit]
    return sql, [*values, reach, reach, limit, workspace]


def _source(workspace: str, wanted: Wanted) -> tuple[str, list[Any], str, list[Any]]:
    """Say which stretches of which index are read: a list of them with its values, and the scan of one with its."""
    place = "row_number() OVER (ORDER BY position DESC, execution_id DESC) AS place"
    columns = f"SELECT position, execution_id, step_id, visit, {place} FROM"
    if wanted.execution_id:
        return (
            "(VALUES (1)) AS s",
            [],
            f"{columns} human_tasks WHERE workspace = %s AND execution_id = %s",
            [workspace, wanted.execution_id],
        )
    if wanted.names:
        kinds, names = zip(*wanted.names, strict=True)
        opens = [is_open for is_open in (True, False) if any((one in OPEN) is is_open for one in _statuses(wanted))]
        return (
            "unnest(%s::text[], %s::text[]) AS n(kind, name), unnest(%s::boolean[]) AS s(is_open)",
            [list(kinds), list(names), opens],
            f"{columns} human_task_audience WHERE workspace = %s AND kind = n.kind AND name = n.name "
            "AND is_open = s.is_open",
            [workspace],
        )
    template = " AND template_id = %s" if wanted.template_id else ""
    return (
        "unnest(%s::text[]) AS s(status)",
        [list(_statuses(wanted))],
        f"{columns} human_tasks WHERE workspace = %s AND status = s.status{template}",
        [workspace, *([wanted.template_id] if template else [])],
    )


def _fits(wanted: Wanted) -> tuple[str, list[Any]]:
    """What is asked of each task that is looked at."""
    conditions = ["t.status = ANY(%s)"]
    values: list[Any] = [list(_statuses(wanted))]
    if wanted.names:
        conditions.append(
            "(t.assignee <> '' AND t.assignee = %s OR t.claimed_by <> '' AND t.claimed_by = %s "
            "OR t.roles && %s::text[] OR t.groups && %s::text[])"
        )
        values += [wanted.assignee, wanted.claimed_by, list(wanted.roles), list(wanted.groups)]
    if wanted.priorities:
        conditions.append("t.priority = ANY(%s)")
        values.append(list(wanted.priorities))
    if wanted.due_before is not None:
        conditions.append("t.due_time < %s")
        values.append(wanted.due_before)
    for name in ("template_id", "version_id", "execution_id"):
        if value := getattr(wanted, name):
            conditions.append(f"t.{name} = %s")
            values.append(value)
    return f"coalesce({' AND '.join(conditions)}, false)", values


def _statuses(wanted: Wanted) -> tuple[str, ...]:
    return wanted.statuses or STATUSES


def _span(before: str) -> tuple[str, list[Any]]:
    if not before:
        return "", []
    position, _, execution_id = before.rpartition(" ")
    return "AND (position, execution_id) < (%s, %s)", [position, execution_id]


def get(workspace: str, execution_id: str, step_id: str, visit: int) -> HumanTask | None:
    """Get a task; None when there is none."""
    rows = query(
        f"SELECT {_COLUMNS} FROM {_JOINED} WHERE {_PLACE}", (workspace, execution_id, step_id, visit), prepared=True
    )
    return _task(rows[0]) if rows else None


def open_of(workspace: str, execution_id: str) -> dict[tuple[str, int], HumanTask]:
    """Get the tasks of an execution that are still to be done, by step and visit."""
    rows = query(
        f"SELECT {_COLUMNS} FROM {_JOINED} WHERE t.workspace = %s AND t.execution_id = %s AND t.status = ANY(%s)",
        (workspace, execution_id, list(OPEN)),
    )
    return {(task.step_id, task.visit): task for task in map(_task, rows)}


def claim(workspace: str, task: HumanTask, action: Action) -> bool:
    """Claim a task that is open, and not assigned to another; of several at once, one gets true."""
    change = _Change(
        "status = 'CLAIMED', claimed_by = %s, claim_time = %s",
        (action.actor, action.time),
        "t.status = 'OPEN' AND t.assignee IN ('', %s)",
        (action.actor,),
        found_by=("CLAIMER", action.actor),
    )
    return _change(workspace, task, change, action)


def release(workspace: str, task: HumanTask, action: Action) -> bool:
    """Give back a task for whoever has it, as long as nobody else has got it since it was read."""
    change = _Change(
        "status = 'OPEN', claimed_by = '', claim_time = NULL",
        (),
        "t.status = 'CLAIMED' AND t.claimed_by = %s",
        (task.claimed_by,),
    )
    return _change(workspace, task, change, action)


def reassign(workspace: str, task: HumanTask, action: Action) -> bool:
    """Assign a task, if it is as it was read, to the person in the action's detail; a claim on it ends."""
    change = _Change(
        "status = 'OPEN', assignee = %s, claimed_by = '', claim_time = NULL",
        (action.detail,),
        "t.status = ANY(%s) AND t.revision = %s",
        (list(OPEN), task.revision),
        found_by=("ASSIGNEE", action.detail),
    )
    return _change(workspace, task, change, action)


@dataclass(frozen=True, slots=True)
class _Change:
    """What is set in a task's row, on which condition, and under which kind and name it is to be found then."""

    sets: str
    set_values: tuple[Any, ...]
    condition: str
    condition_values: tuple[Any, ...]
    found_by: tuple[str, str] = ("", "")


def _change(workspace: str, task: HumanTask, change: _Change, action: Action) -> bool:
    """Change a task if a condition holds of it, and write down what was done; both in one statement."""
    parts = [
        f"t AS (UPDATE human_tasks t SET {change.sets}, update_time = %s, revision = t.revision + 1 "
        f"WHERE {_PLACE} AND {change.condition} RETURNING t.*)",
        "a AS (INSERT INTO human_task_actions "
        "SELECT workspace, execution_id, step_id, visit, revision, %s, %s, %s, %s, %s FROM t)",
    ]
    values = [*change.set_values, action.time, workspace, task.execution_id, task.step_id, task.visit]
    values += [*change.condition_values, action.action, action.actor, action.detail, action.note, action.time]
    if change.found_by[1]:
        parts.append(
            "n AS (INSERT INTO human_task_audience "
            "SELECT workspace, %s, %s, true, position, execution_id, step_id, visit FROM t "
            "ON CONFLICT (workspace, execution_id, step_id, visit, kind, name) DO UPDATE SET is_open = true)"
        )
        values += change.found_by
    return bool(query(f"WITH {', '.join(parts)} SELECT 1 FROM t", values))


def actions(workspace: str, task: HumanTask, *, after: int, limit: int) -> list[Action]:
    """List what was done with a task, in order, from behind an action's number; the first is that it opened."""
    first = [Action("OPENED", "", "", "", task.create_time, 1)] if after < 1 else []
    rows = query(
        "SELECT action, actor, detail, note, time, number FROM human_task_actions t "
        f"WHERE {_PLACE} AND t.number > %s ORDER BY t.number LIMIT %s",
        (workspace, task.execution_id, task.step_id, task.visit, after, limit),
    )
    return [*first, *(Action(*row) for row in rows)][:limit]


def _task(row: Any) -> HumanTask:
    values = list(row)
    type, _, id = values[_SUBJECT].partition(" ")
    values[_SUBJECT] = (type, id)
    return HumanTask(*values)
