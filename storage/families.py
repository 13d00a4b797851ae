"""Parents and children: which executions a step run has, and what is still to be done about them.

A row that a parent or a child is to be told of holds the time from which any server may do it (`report_after`,
`cancel_after`), written together with what caused it; so nobody is forgotten when a process dies in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from service.domain.execution import Execution, Siblings
from storage import documents
from storage.database import query

_SIBLINGS = "workspace = %s AND parent_id = %s AND parent_step_id = %s AND parent_visit = %s AND parent_round = %s"


_LATEST_TRY = (
    "workspace = %s AND parent_id = %s AND parent_step_id = %s AND parent_visit = %s AND parent_round = "
    "(SELECT max(parent_round) FROM executions WHERE workspace = %s AND parent_id = %s AND parent_step_id = %s "
    "AND parent_visit = %s)"
)


@dataclass(frozen=True, slots=True)
class Child:
    """A child execution as its parent needs it; `output_size` in bytes of JSON, `error` JSON text."""

    item: int
    id: str
    status: str
    output_size: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A child execution as readers of its parent's step run see it."""

    item: int
    id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Due:
    """An execution about which somebody has to be told."""

    workspace: str
    execution_id: str


def of_items(siblings: Siblings, items: Sequence[int]) -> dict[int, Child]:
    """Get the children for these items, by item."""
    rows = query(
        "SELECT parent_item, id, status, CASE WHEN output LIKE 'sha256:%%' THEN (SELECT octet_length(body) "
        "FROM documents d WHERE d.workspace = executions.workspace AND d.digest = substr(output, 8)) "
        f"ELSE coalesce(octet_length(output), 0) END, error FROM executions WHERE {_SIBLINGS} "
        "AND parent_item = ANY(%s)",
        (*astuple(siblings), list(items)),
        prepared=True,
    )
    return {row[0]: Child(*row) for row in rows}


def outputs(siblings: Siblings) -> dict[int, str]:
    """Get the outputs (JSON text) of those that completed, by item."""
    rows = query(
        f"SELECT parent_item, output FROM executions WHERE {_SIBLINGS} AND status = 'COMPLETED'", astuple(siblings)
    )
    bodies = documents.fetch(siblings.workspace, (output for _, output in rows))
    return {item: str(bodies.get(output, output)) for item, output in rows}


def inherit(earlier: Siblings, later: Siblings) -> None:
    """Let the children of an earlier visit count for the one that retries it: those that succeeded or are under way.

    Under way is a child that somebody retried by itself after its parent had failed.
    """
    query(
        f"UPDATE executions SET parent_visit = %s, parent_round = %s, cancel_after = NULL WHERE {_SIBLINGS} "
        "AND (status = 'COMPLETED' OR status IN ('CREATED', 'STARTED') AND cancel_after IS NULL) RETURNING 1",
        (later.visit, later.round, *astuple(earlier)),
    )


def mark_cancelled(workspace: str, parent_id: str, step_runs: Sequence[tuple[str, int]]) -> None:
    """Note that the open children of these step runs are to be cancelled."""
    for step_id, visit in step_runs:
        query(
            "UPDATE executions SET cancel_after = now() WHERE workspace = %s AND parent_id = %s "
            "AND parent_step_id = %s AND parent_visit = %s AND status IN ('CREATED', 'STARTED') RETURNING 1",
            (workspace, parent_id, step_id, visit),
        )


def claim_cancellations(limit: int, lease: float, *, parent: tuple[str, str] | None = None) -> list[Due]:
    """Take children that are to be cancelled, of one parent (workspace, id) or of any.

    Nobody else takes them within `lease` seconds.
    """
    condition = "AND workspace = %s AND parent_id = %s" if parent else ""
    rows = query(
        "UPDATE executions SET cancel_after = now() + make_interval(secs => %s) WHERE (workspace, id) IN "
        "(SELECT workspace, id FROM executions WHERE cancel_after <= now() AND status IN ('CREATED', 'STARTED') "
        f"{condition} ORDER BY cancel_after LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING workspace, id",
        (lease, *(parent or ()), limit),
        prepared=True,
    )
    return [Due(*row) for row in rows]


def claim_reports(limit: int, lease: float) -> list[Due]:
    """Take ended children whose parents are to be told; nobody else does within `lease` seconds."""
    rows = query(
        "UPDATE executions SET report_after = now() + make_interval(secs => %s) WHERE (workspace, id) IN "
        "(SELECT workspace, id FROM executions WHERE report_after <= now() "
        "ORDER BY report_after LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING workspace, id",
        (lease, limit),
        prepared=True,
    )
    return [Due(*row) for row in rows]


def reported(child: Execution) -> None:
    """Note that the parent knows how a child ended; one that was retried meanwhile will report again."""
    query(
        "UPDATE executions SET report_after = NULL WHERE workspace = %s AND id = %s AND retries = %s "
        "AND report_after IS NOT NULL RETURNING 1",
        (child.workspace, child.id, child.retries),
        prepared=True,
    )


def pending(workspace: str, execution_id: str) -> tuple[bool, int]:
    """Tell whether an execution's end is still to be told to its parent, and how many children are to be cancelled."""
    rows = query(
        "SELECT report_after IS NOT NULL, (SELECT count(*) FROM executions c WHERE c.workspace = p.workspace "
        "AND c.parent_id = p.id AND c.cancel_after IS NOT NULL) FROM executions p WHERE workspace = %s AND id = %s",
        (workspace, execution_id),
        prepared=True,
    )
    return (bool(rows[0][0]), int(rows[0][1])) if rows else (False, 0)


def awaits_cancellation(execution: Execution) -> bool:
    """Tell whether some execution of the same tree is marked to be cancelled, and is not yet."""
    rows = query(
        "SELECT 1 FROM executions WHERE workspace = %s AND root_id = %s AND cancel_after IS NOT NULL LIMIT 1",
        (execution.workspace, execution.root_id),
        prepared=True,
    )
    return bool(rows)


def open_children(workspace: str, parent_id: str, most: int) -> list[str]:
    """List the children of an execution that have not ended, at most so many."""
    rows = query(
        "SELECT id FROM executions WHERE workspace = %s AND parent_id = %s AND status IN ('CREATED', 'STARTED') "
        "ORDER BY parent_step_id, parent_item LIMIT %s",
        (workspace, parent_id, most),
    )
    return [id for (id,) in rows]


def children_await_input(workspace: str, parent_id: str) -> bool:
    """Tell whether an execution has open children and each of them waits for somebody to complete a step."""
    rows = query(
        "SELECT count(*) > 0 AND bool_and(phase = 'WAITING_FOR_INPUT') FROM executions "
        "WHERE workspace = %s AND parent_id = %s AND status IN ('CREATED', 'STARTED')",
        (workspace, parent_id),
        prepared=True,
    )
    return bool(rows[0][0])


def summaries(workspace: str, parent_id: str, step_id: str, visit: int, most: int) -> list[Summary]:
    """List the children of a step run's latest try by item, up to a number."""
    place = (workspace, parent_id, step_id, visit)
    rows = query(
        f"SELECT parent_item, id, name, status FROM executions WHERE {_LATEST_TRY} ORDER BY parent_item LIMIT %s",
        (*place, *place, most),
    )
    return [Summary(*row) for row in rows]


def counts(workspace: str, parent_id: str, step_id: str, visit: int) -> dict[str, int]:
    """Count the children of a step run's latest try by status."""
    place = (workspace, parent_id, step_id, visit)
    rows = query(f"SELECT status, count(*) FROM executions WHERE {_LATEST_TRY} GROUP BY 1", (*place, *place))
    return dict(rows)


def postpone_report(child: Execution, delay: float) -> None:
    """Tell the parent later, in `delay` seconds."""
    query(
        "UPDATE executions SET report_after = now() + make_interval(secs => %s) "
        "WHERE workspace = %s AND id = %s AND report_after IS NOT NULL RETURNING 1",
        (delay, child.workspace, child.id),
    )
