"""Step runs, for readers; writing them is part of an execution's write (`executions.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from service.domain.execution import Execution
from service.domain.step_run import Standing, StepRun
from storage import documents, executions
from storage.database import query, snapshot

COLUMNS = ", ".join(field.name for field in fields(StepRun))


NEWEST = 1_000
"""Step runs that are told with an execution."""


def newest(workspace: str, execution_id: str) -> list[StepRun]:
    """List the newest step runs of an execution in the order of their start."""
    where = "WHERE workspace = %s AND execution_id = %s ORDER BY create_number DESC LIMIT %s"
    return _all(workspace, where, (workspace, execution_id, NEWEST))[::-1]


def with_execution(workspace: str, execution_id: str) -> tuple[Execution, list[StepRun]] | None:
    """Get an execution with its newest step runs, both as of one moment; None when there is no such execution."""
    with snapshot():
        execution = executions.get(workspace, execution_id)
        return None if execution is None else (execution, newest(workspace, execution_id))


def of_execution(
    workspace: str, execution_id: str, *, step_id: str = "", status: str = "", after: int = 0, limit: int = 1_000
) -> list[StepRun]:
    """List an execution's step runs in the order of their start, from the one after ledger number `after`."""
    conditions = "workspace = %s AND execution_id = %s AND create_number > %s"
    values: list[Any] = [workspace, execution_id, after]
    for column, value in (("step_id", step_id), ("status", status)):
        if value:
            conditions += f" AND {column} = %s"
            values.append(value)
    return _all(workspace, f"WHERE {conditions} ORDER BY create_number LIMIT %s", [*values, limit])


def standings(workspace: str, execution_id: str) -> tuple[str, list[Standing]] | None:
    """Sum up where an execution and its step runs stand at one moment; None when there is no such execution."""
    rows = query(
        "SELECT e.status, r.step_id, r.status, max(r.visit) FROM executions e LEFT JOIN step_runs r "
        "ON (r.workspace, r.execution_id) = (e.workspace, e.id) WHERE e.workspace = %s AND e.id = %s GROUP BY 1, 2, 3",
        (workspace, execution_id),
        prepared=True,
    )
    return (rows[0][0], [Standing(*row[1:]) for row in rows if row[1] is not None]) if rows else None


def steps_reached(workspace: str, execution_id: str) -> set[str]:
    """The steps that a token has reached."""
    rows = query(
        "SELECT DISTINCT step_id FROM step_runs WHERE workspace = %s AND execution_id = %s",
        (workspace, execution_id),
        prepared=True,
    )
    return {step_id for (step_id,) in rows}


def get(workspace: str, execution_id: str, step_id: str, visit: int) -> StepRun | None:
    """Get one step run, with visit 0 the latest of the step; None when there is none."""
    where = "WHERE workspace = %s AND execution_id = %s AND step_id = %s"
    if visit:
        found = _all(workspace, f"{where} AND visit = %s", (workspace, execution_id, step_id, visit))
    else:
        found = _all(workspace, f"{where} ORDER BY visit DESC LIMIT 1", (workspace, execution_id, step_id))
    return found[0] if found else None


def _all(workspace: str, where: str, values: Sequence[Any]) -> list[StepRun]:
    found = [StepRun(*row) for row in query(f"SELECT {COLUMNS} FROM step_runs {where}", values, prepared=True)]
    bodies = documents.fetch(workspace, (text for one in found for text in (one.input, one.output)))
    if not bodies:
        return found
    return [
        replace(one, input=bodies.get(one.input or "", one.input), output=bodies.get(one.output or "", one.output))
        for one in found
    ]
