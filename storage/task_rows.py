"""The parts of an execution's write that keep its human tasks; reading and claiming them is in `human_tasks.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.json_text import compact


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What a write says of one human task; times are ISO 8601.

    One that it does not open gets a new status alone; one that it opens `again` may have been open before.
    """

    step_id: str
    visit: int
    status: str
    opens: bool
    again: bool
    title: str
    assignee: str
    roles: list[str]
    groups: list[str]
    priority: str
    due_time: str | None
    completed_by: str
    position: str
    create_time: str
    update_time: str
    end_time: str | None


def written(workspace: str, execution_id: str, tasks: Sequence[TaskRow]) -> tuple[list[str], list[Any]]:
    """Give the parts of a statement that write tasks if `e` has a row, which names template and version."""
    parts: list[str] = []
    values: list[Any] = []
    place = [workspace, execution_id]
    opened = [task for task in tasks if task.opens]
    closed = [task for task in tasks if not task.opens]
    if opened:
        parts.append(_OPEN)
        values += [*place, compact([_row(task) for task in opened])]
        if any(task.again or task.status != "OPEN" for task in opened):
            parts.append(_ACTION.format(name="ha", source="h WHERE revision > 1"))
            values += place
        if audience := [row for task in opened for row in _audience(task)]:
            parts.append(_AUDIENCE)
            values += [*place, compact(audience)]
    if closed:
        parts += [_CLOSE, _ACTION.format(name="ca", source="c"), _LEAVE]
        values += [compact([_row(task) for task in closed]), *place, *place, *place]
    return parts, values


# That a task opened first is told by its own row; every later action has one of its own. A task that opens again after
# it was switched off keeps who has claimed it.
_OPEN = (
    "h AS (INSERT INTO human_tasks AS old (workspace, execution_id, template_id, version_id, step_id, visit, title, "
    "assignee, roles, groups, priority, status, due_time, completed_by, position, create_time, update_time, end_time, "
    "revision) SELECT %s, %s, e.template_id, e.version_id, new.*, CASE new.status WHEN 'OPEN' THEN 1 ELSE 2 END "
    "FROM e, json_to_recordset(%s) AS new (step_id text, visit int, title text, assignee text, roles text[], "
    "groups text[], priority text, status text, due_time timestamptz, completed_by text, position text, "
    "create_time timestamptz, update_time timestamptz, end_time timestamptz) "
    "ON CONFLICT (workspace, execution_id, step_id, visit) DO UPDATE SET title = excluded.title, "
    "assignee = excluded.assignee, roles = excluded.roles, groups = excluded.groups, priority = excluded.priority, "
    "status = CASE WHEN excluded.status = 'OPEN' AND old.claimed_by <> '' THEN 'CLAIMED' ELSE excluded.status END, "
    "due_time = excluded.due_time, position = excluded.position, completed_by = excluded.completed_by, "
    "update_time = excluded.update_time, "
    "end_time = excluded.end_time, revision = old.revision + 1 "
    "RETURNING step_id, visit, revision, status, completed_by, update_time)"
)
_AUDIENCE = (
    "a AS (INSERT INTO human_task_audience AS old (workspace, execution_id, step_id, visit, kind, name, is_open, "
    "position) SELECT %s, %s, new.* FROM e, json_to_recordset(%s) AS new (step_id text, visit int, kind text, "
    "name text, is_open boolean, position text) "
    "ON CONFLICT (workspace, execution_id, step_id, visit, kind, name) "
    "DO UPDATE SET is_open = excluded.is_open, position = excluded.position)"
)
_CLOSE = (
    "c AS (UPDATE human_tasks t SET status = n.status, completed_by = n.completed_by, update_time = n.update_time, "
    "end_time = n.end_time, revision = t.revision + 1 "
    "FROM e, json_to_recordset(%s) AS n (step_id text, visit int, status text, completed_by text, "
    "update_time timestamptz, end_time timestamptz) "
    "WHERE (t.workspace, t.execution_id) = (%s, %s) AND (t.step_id, t.visit) = (n.step_id, n.visit) "
    "RETURNING t.step_id, t.visit, t.revision, t.status, t.completed_by, t.update_time)"
)
_ACTION = (
    "{name} AS (INSERT INTO human_task_actions SELECT %s, %s, step_id, visit, revision, "
    "CASE WHEN status IN ('OPEN', 'CLAIMED') THEN 'OPENED' ELSE status END, completed_by, '', '', update_time "
    "FROM {source})"
)
_LEAVE = (
    "la AS (UPDATE human_task_audience t SET is_open = false FROM c "
    "WHERE (t.workspace, t.execution_id) = (%s, %s) AND (t.step_id, t.visit) = (c.step_id, c.visit))"
)

WITHDRAW_ALL = (
    "c AS (UPDATE human_tasks t SET status = 'WITHDRAWN', update_time = %s, end_time = %s, revision = t.revision + 1 "
    "FROM e WHERE (t.workspace, t.execution_id) = (%s, %s) AND t.status IN ('OPEN', 'CLAIMED') RETURNING t.*), "
    "ca AS (INSERT INTO human_task_actions SELECT workspace, execution_id, step_id, visit, revision, status, '', '', "
    "'', update_time FROM c), "
    "la AS (UPDATE human_task_audience t SET is_open = false FROM c WHERE (t.workspace, t.execution_id) = (%s, %s) "
    "AND (t.step_id, t.visit) = (c.step_id, c.visit))"
)
"""Parts of a statement that take away all tasks of an execution, if `e` has a row, where no engine says so."""


def _row(task: TaskRow) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.__slots__}


def _audience(task: TaskRow) -> list[dict[str, Any]]:
    """By whom a task is to be found."""
    found = [
        *([("ASSIGNEE", task.assignee)] if task.assignee else []),
        *(("ROLE", name) for name in task.roles),
        *(("GROUP", name) for name in task.groups),
    ]
    row = {"step_id": task.step_id, "visit": task.visit, "is_open": task.end_time is None, "position": task.position}
    return [{**row, "kind": kind, "name": name} for kind, name in found]
