"""The parts of an execution's write that keep its human tasks; reading and claiming them is in `human_tasks.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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
        parts.append(_OPEN.format(rows=_rows(_OPENED, opened)))
        values += [*place, *(value for task in opened for value in _open_values(task))]
        if any(task.again or task.status != "OPEN" for task in opened):
            parts.append(_ACTION.format(name="ha", source="h WHERE revision > 1"))
            values += place
        audience = [(kind, name, task) for task in opened for kind, name in _audience(task)]
        if audience:
            parts.append(_AUDIENCE.format(rows=_rows(_NAMED, audience)))
            values += place
            for kind, name, task in audience:
                values += [task.step_id, task.visit, kind, name, task.end_time is None, task.position]
    if closed:
        parts += [_CLOSE.format(rows=_rows(_CLOSED, closed)), _ACTION.format(name="ca", source="c"), _LEAVE]
        for task in closed:
            values += [task.step_id, task.visit, task.status, task.completed_by, task.update_time, task.end_time]
        values += [*place, *place, *place]
    return parts, values


def _rows(blanks: str, many: Sequence[object]) -> str:
    return ", ".join([blanks] * len(many))


_OPENED = (
    "(%s::text, %s::int, %s::text, %s::text, %s::text[], %s::text[], %s::text, %s::text, %s::timestamptz, %s::text, "
    "%s::text, %s::timestamptz, %s::timestamptz, %s::timestamptz)"
)
_NAMED = "(%s::text, %s::int, %s::text, %s::text, %s::boolean, %s::text)"
_CLOSED = "(%s::text, %s::int, %s::text, %s::text, %s::timestamptz, %s::timestamptz)"

# That a task opened first is told by its own row; every later action has one of its own. A task that opens again after
# it was switched off keeps who has claimed it.
_OPEN = (
    "h AS (INSERT INTO human_tasks AS old (workspace, execution_id, template_id, version_id, step_id, visit, title, "
    "assignee, roles, groups, priority, status, due_time, completed_by, position, create_time, update_time, end_time, "
    "revision) SELECT %s, %s, e.template_id, e.version_id, new.*, CASE new.status WHEN 'OPEN' THEN 1 ELSE 2 END "
    "FROM (VALUES {rows}) AS new(step_id, visit, title, assignee, roles, groups, priority, status, due_time, "
    "completed_by, position, create_time, update_time, end_time), e "
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
    "position) SELECT %s, %s, new.* FROM (VALUES {rows}) AS new, e "
    "ON CONFLICT (workspace, execution_id, step_id, visit, kind, name) "
    "DO UPDATE SET is_open = excluded.is_open, position = excluded.position)"
)
_CLOSE = (
    "c AS (UPDATE human_tasks t SET status = n.status, completed_by = n.completed_by, update_time = n.update_time, "
    "end_time = n.end_time, revision = t.revision + 1 "
    "FROM (VALUES {rows}) AS n(step_id, visit, status, completed_by, update_time, end_time), e "
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


def _open_values(task: TaskRow) -> list[Any]:
    return [
        task.step_id,
        task.visit,
        task.title,
        task.assignee,
        task.roles,
        task.groups,
        task.priority,
        task.status,
        task.due_time,
        task.completed_by,
        task.position,
        task.create_time,
        task.update_time,
        task.end_time,
    ]


def _audience(task: TaskRow) -> list[tuple[str, str]]:
    """By whom a task is to be found: pairs of kind and name."""
    return [
        *([("ASSIGNEE", task.assignee)] if task.assignee else []),
        *(("ROLE", name) for name in task.roles),
        *(("GROUP", name) for name in task.groups),
    ]
