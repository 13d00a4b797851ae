"""Step runs, for readers; writing them is part of an execution's write (`executions.py`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from service.domain.step_run import StepRun
from storage import documents
from storage.database import query

COLUMNS = ", ".join(field.name for field in fields(StepRun))


def of_execution(workspace: str, execution_id: str, *, after: int = 0, limit: int = 1_000) -> list[StepRun]:
    """List an execution's step runs in the order of their start, from the one after ledger number `after`."""
    return _all(
        workspace,
        "WHERE workspace = %s AND execution_id = %s AND create_number > %s ORDER BY create_number LIMIT %s",
        (workspace, execution_id, after, limit),
    )


def get(workspace: str, execution_id: str, step_id: str, visit: int) -> StepRun | None:
    """Get one step run, with visit 0 the latest of the step; None when there is none."""
    if visit:
        where, values = "AND visit = %s", (workspace, execution_id, step_id, visit)
    else:
        where, values = "ORDER BY visit DESC LIMIT 1", (workspace, execution_id, step_id)
    found = _all(workspace, f"WHERE workspace = %s AND execution_id = %s AND step_id = %s {where}", values)
    return found[0] if found else None


def _all(workspace: str, where: str, values: Iterable[Any]) -> list[StepRun]:
    found = [StepRun(*row) for row in query(f"SELECT {COLUMNS} FROM step_runs {where}", values)]
    bodies = documents.fetch(workspace, (text for one in found for text in (one.input, one.output)))
    if not bodies:
        return found
    return [
        replace(one, input=bodies.get(one.input or "", one.input), output=bodies.get(one.output or "", one.output))
        for one in found
    ]
