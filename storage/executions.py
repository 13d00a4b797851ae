"""Executions with what happened to them: the row, its step runs and its ledger are written as one.

Each write is a single statement, so that it takes one round trip and happens as a whole or not at all. It states which
ledger number it follows; a writer that is not the next one changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from service.domain.execution import Execution, Launch, Planned
from service.domain.json_text import compact
from storage import deliveries, documents, families, own_events, task_rows, trigger_records, waits
from storage.database import Row, query, transaction
from storage.execution_lists import LIGHT
from storage.task_rows import TaskRow

COLUMNS = ", ".join(column.name for column in fields(Execution))


@dataclass(frozen=True, slots=True)
class StepRunRow:
    """What a write says of one step run; None leaves a column as it is. Times are ISO 8601, values JSON text."""

    step_id: str
    visit: int
    attempt: int
    status: str
    input: str | None
    output: str | None
    outcome: str | None
    error: str | None
    create_number: int
    create_time: str
    update_time: str
    end_time: str | None
    children: int | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """Consecutive ledger entries of one execution, with the rows that they change.

    `status` is None while the execution goes on; `owner` is the status that it must have for the write to happen, None
    for any that has not ended. `cancelled` lists the step runs, by step and visit, whose children are to be cancelled,
    `closed` those that wait for no event any more, `consumed` the events taken in, by event, step and visit.
    """

    workspace: str
    execution_id: str
    entries: list[dict[str, Any]]
    step_runs: list[StepRunRow]
    requests: list[dict[str, str]]
    phase: str
    time: datetime
    status: str | None = None
    output: str | None = None
    error: str | None = None
    cancellation: str | None = None
    compensation: str | None = None  # JSON; its fields replace those that are stored
    variables: str | None = None  # JSON; its fields replace those that are stored
    owner: Literal["CREATED"] | None = None
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    opened: list[waits.Opened] = field(default_factory=list)
    closed: list[tuple[str, int]] = field(default_factory=list)
    consumed: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def first_number(self) -> int:
        """The number of the first entry."""
        return int(self.entries[0]["number"])

    @property
    def last_number(self) -> int:
        """The number of the last entry."""
        return int(self.entries[-1]["number"])


_GOES_ON = "(status IN ('CREATED', 'STARTED') OR phase = 'COMPENSATING')"
"""Is neither ended nor, where it was given up, done with making up for what it did."""

_IS_WAITING = "launch_state IS NOT NULL"
"""Is CREATED, as a constraint of the table says. Asked for that status, PostgreSQL may look through all that have it.

They come and go, so its statistics know of none, and to look through none seems cheaper than to find one by its id.
"""


def add(execution: Execution, launch_state: str | None, lease: float, writing: Writing) -> bool:
    """Store a new execution with its first entries; False when its request id is in use already.

    `launch_state` is what Temporal begins from, None when nothing is left to do. `lease` is the time in seconds in
    which the caller will hand it over; after that any launcher may. A child is only stored while its parent's step run
    is under way (False otherwise), and that cannot end meanwhile without seeing the child.
    """
    shelf = documents.Shelf()
    row = [getattr(execution, name) for name in _STORED]
    for name in ("input", "output"):
        row[_STORED.index(name)] = shelf.put(row[_STORED.index(name)])
    row += [launch_state, lease if launch_state is not None else None]
    if execution.parent_id is None:
        head = _ADD.format(source="") + _REMEMBER
        values = [*row, execution.workspace, execution.request_id, execution.request_digest]
    else:
        head = _PARENT + _ADD.format(source="FROM p")
        values = [execution.workspace, execution.parent_id, execution.parent_step_id, execution.parent_visit, *row]
    recorded, recorded_values = trigger_records.started(execution)
    return bool(_write(head + recorded, [*values, *recorded_values], writing, shelf))


_STORED = [column.name for column in fields(Execution) if column.name != "launch_after"]

_ADD = (
    f"e AS (INSERT INTO executions ({', '.join(_STORED)}, launch_state, launch_after) "
    f"SELECT {', '.join(['%s'] * len(_STORED))}, %s, now() + make_interval(secs => %s) {{source}} "
    f"ON CONFLICT (workspace, request_id) DO NOTHING RETURNING 1 AS written, {own_events.RETURNED})"
)

# No `ON CONFLICT`: an id that another rpc has used is an error.
_REMEMBER = ", q AS (INSERT INTO requests SELECT %s, %s, 'StartExecution', %s, '', now() FROM e)"

_PARENT = (
    "p AS (SELECT FROM step_runs WHERE workspace = %s AND execution_id = %s AND step_id = %s AND visit = %s "
    "AND status = 'RUNNING' FOR SHARE), "
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a write leaves to do: a parent to be told of the end, children to be cancelled, children to wait for.

    `waits`: there are new waits, and the events that came before them are to be looked at.
    """

    reports: bool
    cancels: bool
    planned: tuple[Planned, ...] = ()
    waits: bool = False


_SET_VARIABLES = (
    "variables = (SELECT json_object_agg(key, value)::text FROM (SELECT DISTINCT ON (key) key, value FROM ("
    "SELECT key, value, 1 AS turn FROM json_each(coalesce(variables, '{}')::json) "
    "UNION ALL SELECT key, value, 2 FROM json_each(%s::json)) AS both_of_them ORDER BY key, turn DESC) AS latest), "
)
"""Sets some variables and keeps the others, with every number as it was written, which jsonb does not."""


def _setting(writing: Writing) -> tuple[str, list[Any]]:
    return ("", []) if writing.variables is None else (_SET_VARIABLES, [writing.variables])


def record(writing: Writing) -> Recorded | None:
    """Store the next entries of an execution; None when they do not follow what is stored, or it has ended."""
    if not writing.cancelled:
        return _record(writing)
    # The marks are a statement of their own, which sees the children that came while the first one waited for its row.
    with transaction():
        recorded = _record(writing)
        if recorded is not None:
            families.mark_cancelled(writing.workspace, writing.execution_id, writing.cancelled)
        return recorded


def _record(writing: Writing) -> Recorded | None:
    shelf = documents.Shelf()
    owner = _IS_WAITING if writing.owner == "CREATED" else _GOES_ON
    set_variables, variables = _setting(writing)
    head = (
        f"e AS (UPDATE executions SET {set_variables}"
        "status = coalesce(%s, CASE status WHEN 'CREATED' THEN 'STARTED' ELSE status END), "
        "phase = %s, output = coalesce(%s, output), error = coalesce(%s, error), "
        "last_number = %s, revision = revision + 1, update_time = %s, start_time = coalesce(start_time, %s), "
        "end_time = CASE WHEN %s THEN %s::timestamptz ELSE end_time END, "
        "report_after = CASE WHEN NOT %s THEN report_after "
        "WHEN parent_id IS NOT NULL THEN now() + make_interval(secs => %s) END, "
        "cancel_after = CASE WHEN NOT %s THEN cancel_after END, "
        "cancellation = coalesce(%s, cancellation), "
        "compensation = coalesce((coalesce(compensation::jsonb, '{}') || %s::jsonb)::text, compensation), "
        "launch_state = NULL, launch_after = NULL, launch_error = NULL "
        f"WHERE workspace = %s AND id = %s AND last_number = %s AND {owner} "
        f"RETURNING report_after IS NOT NULL AS reports, {own_events.RETURNED})"
    )
    has_ended = writing.status is not None
    values = [
        *variables,
        writing.status,
        writing.phase,
        shelf.put(writing.output),
        writing.error,
        writing.last_number,
        writing.time,
        None if writing.owner == "CREATED" else writing.time,
        has_ended,
        writing.time,
        has_ended,
        REPORT_LEASE,
        has_ended,
        writing.cancellation,
        writing.compensation,
        writing.workspace,
        writing.execution_id,
        writing.first_number - 1,
    ]
    rows = _write(head, values, writing, shelf)
    if not rows:
        return None
    reports = has_ended and rows[0][0]
    return Recorded(reports=reports, cancels=bool(writing.cancelled), waits=bool(writing.opened))


def reopen(writing: Writing, launch_state: str | None, lease: float) -> bool:
    """Store the entries of a retry: a FAILED execution becomes CREATED again, or what the retry ended with.

    False when it is not FAILED any more, or its ledger has gone on.
    """
    shelf = documents.Shelf()
    has_ended = writing.status is not None
    set_variables, variables = _setting(writing)
    head = (
        f"e AS (UPDATE executions SET {set_variables}status = coalesce(%s, 'CREATED'), "
        "phase = %s, output = %s, error = %s, "
        "last_number = %s, revision = revision + 1, update_time = %s, retries = retries + 1, "
        "end_time = CASE WHEN %s THEN %s::timestamptz END, "
        "report_after = CASE WHEN %s AND parent_id IS NOT NULL THEN now() + make_interval(secs => %s) END, "
        "launch_state = %s, launch_after = CASE WHEN NOT %s THEN now() + make_interval(secs => %s) END, "
        "launch_attempts = 0, launch_error = NULL "
        "WHERE workspace = %s AND id = %s AND last_number = %s AND status = 'FAILED' "
        f"RETURNING 1 AS written, {own_events.RETURNED})"
    )
    ends: list[Any] = [has_ended, writing.time, has_ended, REPORT_LEASE]
    values: list[Any] = [
        *variables,
        writing.status,
        writing.phase,
        shelf.put(writing.output),
        writing.error,
        writing.last_number,
    ]
    values += [writing.time, *ends, launch_state, has_ended, lease]
    values += [writing.workspace, writing.execution_id, writing.first_number - 1]
    return bool(_write(head, values, writing, shelf))


REPORT_LEASE = 5.0
"""Seconds in which whoever ended a child tells its parent; after that any server may."""


def _write(head: str, values: list[Any], writing: Writing, shelf: documents.Shelf) -> list[Row]:
    # Rows of one table travel as one JSON array, so that there are few texts of this statement to prepare.
    parts = [head, "l AS (INSERT INTO ledger SELECT %s, %s, %s, %s, %s FROM e)"]
    entries = compact([_shelve(entry, shelf) for entry in writing.entries])
    values += [writing.workspace, writing.execution_id, writing.first_number, writing.last_number, entries]
    if writing.step_runs:
        parts.append(_STEP_RUNS)
        values += [writing.workspace, writing.execution_id, compact([_row(run, shelf) for run in writing.step_runs])]
    written, task_values = task_rows.written(writing.workspace, writing.execution_id, writing.tasks)
    parts += written
    values += task_values
    if writing.opened and writing.status is None:
        _append(parts, values, waits.opening(writing.workspace, writing.execution_id, writing.opened))
    if writing.status is not None and writing.first_number > 1:
        _append(parts, values, waits.closing_all(writing.workspace, writing.execution_id))
    elif writing.closed:
        _append(parts, values, waits.closing(writing.workspace, writing.execution_id, writing.closed))
    if writing.consumed:
        _append(parts, values, deliveries.consuming(writing.workspace, writing.execution_id, writing.consumed))
    if own := _own_events(writing):
        place = (writing.workspace, writing.execution_id, writing.last_number, writing.time)
        _append(parts, values, own_events.inserting(*place, own))
    if writing.requests:
        parts.append(_REQUESTS)
        values += [writing.workspace, compact(writing.requests)]
    if shelf.bodies:
        _append(parts, values, documents.storing(writing.workspace, writing.execution_id, shelf))
    return query(f"WITH {', '.join(parts)} SELECT * FROM e", values, prepared=True)


def _own_events(writing: Writing) -> list[tuple[str, str]]:
    """Tell which events a write is, with fields of their payloads."""
    found = []
    if writing.status in own_events.ENDS:
        found += own_events.ending(writing.status, writing.output, writing.error)
    ledger = [entry for entry in writing.entries if entry.get("type") == "EXECUTION_COMPENSATED"]
    for entry in ledger:
        found.append((own_events.COMPENSATED, f'"compensation":{json.dumps(entry["data"])}'))
    if writing.phase.startswith("WAITING"):
        new = {run.step_id for run in writing.step_runs if run.status == "WAITING"}
        if new:
            found.append((own_events.WAITING, f'"phase":"{writing.phase}","steps":{json.dumps(sorted(new))}'))
    return found


def _append(parts: list[str], values: list[Any], more: tuple[str, list[Any]]) -> None:
    parts.append(more[0])
    values += more[1]


_STEP_RUNS = (
    "s AS (INSERT INTO step_runs AS old (workspace, execution_id, step_id, visit, attempt, status, input, output, "
    "outcome, error, create_number, create_time, update_time, end_time, children) "
    "SELECT %s, %s, new.* FROM e, json_to_recordset(%s) AS new (step_id text, visit int, attempt int, status text, "
    "input text, output text, outcome text, error text, create_number bigint, create_time timestamptz, "
    "update_time timestamptz, end_time timestamptz, children int) "
    "ON CONFLICT (workspace, execution_id, step_id, visit) DO UPDATE SET attempt = excluded.attempt, "
    "status = excluded.status, input = coalesce(excluded.input, old.input), "
    "output = coalesce(excluded.output, old.output), outcome = coalesce(excluded.outcome, old.outcome), "
    "error = coalesce(excluded.error, old.error), update_time = excluded.update_time, end_time = excluded.end_time, "
    "children = coalesce(excluded.children, old.children))"
)


_REQUESTS = (
    "r AS (INSERT INTO requests SELECT %s, new.id, new.method, new.digest, '', now() "
    "FROM e, json_to_recordset(%s) AS new (id text, method text, digest text) ON CONFLICT DO NOTHING)"
)


def _row(run: StepRunRow, shelf: documents.Shelf) -> dict[str, Any]:
    row = {name: getattr(run, name) for name in run.__slots__}
    return row | {"input": shelf.put(run.input), "output": shelf.put(run.output)}


def _shelve(entry: dict[str, Any], shelf: documents.Shelf) -> dict[str, Any]:
    """Put the large values of an entry aside; `documents` says which of its fields then hold marks."""
    marks = {}
    for name in ("input", "output", "value"):
        if name in entry["data"]:
            text = compact(entry["data"][name])
            if (mark := shelf.put(text)) != text:
                marks[name] = mark
    return {**entry, "data": {**entry["data"], **marks}, "documents": list(marks)} if marks else entry


def get(workspace: str, execution_id: str) -> Execution | None:
    """Get an execution; None when the workspace has none of that id."""
    return _one("WHERE workspace = %s AND id = %s", [workspace, execution_id])


def without_values(workspace: str, execution_id: str) -> Execution | None:
    """Get an execution without what it holds: its input is empty, its output None."""
    rows = query(f"SELECT {LIGHT} FROM executions e WHERE workspace = %s AND id = %s", (workspace, execution_id))
    return Execution(*rows[0]) if rows else None


def by_request(workspace: str, request_id: str) -> Execution | None:
    """Get the execution that a request started; None when it started none."""
    return _one("WHERE workspace = %s AND request_id = %s", [workspace, request_id])


def of_subject(workspace: str, type: str, id: str) -> str | None:
    """Find the execution that is open for a subject, or else the newest; None when there never was one."""
    rows = query(
        "SELECT id FROM executions WHERE workspace = %s AND subject_type = %s AND subject_id = %s "
        "AND subject_type <> '' ORDER BY status IN ('CREATED', 'STARTED') DESC, id DESC LIMIT 1",
        (workspace, type, id),
        prepared=True,
    )
    return rows[0][0] if rows else None


def open_among(workflows: Sequence[tuple[str, str, int]]) -> list[tuple[str, str]]:
    """Of workflows, told by workspace, execution id and retries, find those whose executions have not ended."""
    if not workflows:
        return []
    rows = query(
        "SELECT workspace, id FROM executions WHERE (status IN ('CREATED', 'STARTED') OR phase = 'COMPENSATING') "
        "AND (workspace, id, retries) IN %s",
        (tuple(workflows),),
    )
    return [(workspace, id) for workspace, id in rows]


def confirm(workspace: str, execution_id: str, now: datetime) -> Execution | None:
    """Give the execution to Temporal; None when it has left CREATED before."""
    rows = query(
        "UPDATE executions SET status = 'STARTED', start_time = %s, update_time = %s, revision = revision + 1, "
        "launch_attempts = launch_attempts + 1, launch_state = NULL, launch_after = NULL, launch_error = NULL "
        f"WHERE workspace = %s AND id = %s AND {_IS_WAITING} RETURNING {COLUMNS}",
        (now, now, workspace, execution_id),
        prepared=True,
    )
    return _read(rows, workspace)[0] if rows else None


def confirm_all(workspace: str, execution_ids: Sequence[str], now: datetime) -> None:
    """Give executions to Temporal, as far as they have not left CREATED before."""
    query(
        "UPDATE executions SET status = 'STARTED', start_time = %s, update_time = %s, revision = revision + 1, "
        "launch_attempts = launch_attempts + 1, launch_state = NULL, launch_after = NULL, launch_error = NULL "
        f"WHERE workspace = %s AND id = ANY(%s) AND {_IS_WAITING} RETURNING 1",
        (now, now, workspace, list(execution_ids)),
        prepared=True,
    )


def refuse_launch(workspace: str, execution_id: str, error: str, now: datetime) -> None:
    """Record that Temporal refuses the start for good: it waits for nobody any more, and is told of as a failure."""
    parts = [
        "e AS (UPDATE executions SET status = 'FAILED_TO_START', phase = 'NONE', error = %s, end_time = %s, "
        "update_time = %s, revision = revision + 1, launch_attempts = launch_attempts + 1, launch_state = NULL, "
        "launch_after = NULL, launch_error = NULL, cancel_after = NULL, "
        "report_after = CASE WHEN parent_id IS NOT NULL THEN now() END "
        f"WHERE workspace = %s AND id = %s AND {_IS_WAITING} RETURNING {own_events.RETURNED})",
        task_rows.WITHDRAW_ALL,
    ]
    place = [workspace, execution_id]
    values: list[Any] = [error, now, now, *place, now, now, *place, *place]
    _append(parts, values, waits.closing_all(workspace, execution_id))
    told = own_events.ending("FAILED_TO_START", None, error)
    _append(parts, values, own_events.inserting(workspace, execution_id, 0, now, told))
    query(f"WITH {', '.join(parts)} SELECT 1 FROM e", values)


def postpone_launch(workspace: str, execution_id: str, error: str, delay: float, now: datetime) -> None:
    """Record that a start did not happen, and let launchers try again after `delay` seconds."""
    query(
        "UPDATE executions SET launch_error = %s, launch_attempts = launch_attempts + 1, update_time = %s, "
        "launch_after = now() + make_interval(secs => %s) "
        f"WHERE workspace = %s AND id = %s AND {_IS_WAITING} RETURNING 1",
        (error, now, delay, workspace, execution_id),
    )


def claim_launches(limit: int, lease: float) -> list[tuple[Launch, int]]:
    """Take executions whose start is due, each with its attempts so far; nobody else will within `lease` seconds."""
    rows = query(
        "UPDATE executions SET launch_after = now() + make_interval(secs => %s) "
        "WHERE (workspace, id) IN (SELECT workspace, id FROM executions "
        "WHERE status = 'CREATED' AND launch_after < now() ORDER BY launch_after LIMIT %s FOR UPDATE SKIP LOCKED) "
        "RETURNING workspace, id, plan_digest, launch_state, create_time, retries, launch_attempts",
        (lease, limit),
        prepared=True,
    )
    return [(Launch(*row[:6]), row[6]) for row in rows]


def count_waiting(most: int) -> int:
    """Count the executions of all workspaces that wait for their launch, but no further than `most`."""
    rows = query("SELECT count(*) FROM (SELECT 1 FROM executions WHERE status = 'CREATED' LIMIT %s) waiting", (most,))
    return int(rows[0][0])


def launch_of(workspace: str, execution_id: str) -> Launch | None:
    """Get what Temporal begins from; None when the execution is no longer the database's."""
    rows = query(
        "SELECT workspace, id, plan_digest, launch_state, create_time, retries FROM executions "
        f"WHERE workspace = %s AND id = %s AND {_IS_WAITING}",
        (workspace, execution_id),
    )
    return Launch(*rows[0]) if rows else None


def _one(where: str, values: list[Any]) -> Execution | None:
    found = _read(query(f"SELECT {COLUMNS} FROM executions {where}", values, prepared=True), values[0])
    return found[0] if found else None


def _read(rows: list[Any], workspace: str) -> list[Execution]:
    """Make executions of rows, with their large values in place."""
    found = [Execution(*row) for row in rows]
    bodies = documents.fetch(workspace, (text for one in found for text in (one.input, one.output)))
    if not bodies:
        return found
    return [
        replace(one, input=bodies.get(one.input, one.input), output=bodies.get(one.output or "", one.output))
        for one in found
    ]
