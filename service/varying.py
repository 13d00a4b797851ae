"""Setting variables of an execution from outside, by those who know what it was like when they decided."""

from __future__ import annotations

import time

from service import acting
from service.acting import Actor, Request
from service.definition.plan import Json
from service.domain.errors import Conflict
from service.domain.execution import Execution
from service.engine.observations import VariablesChanged
from storage.database import connection

SETTLING = 2.0
"""Seconds in which what a workflow has done since is stored: it writes each second."""


def set_variables(
    actor: Actor,
    execution: Execution,
    variables: dict[str, Json],
    *,
    expected_revision: int,
    request: Request,
    seconds: float,
) -> None:
    """Set variables of an execution; with an expected revision other than 0 only if it has that.

    The row tells which ledger number goes with the revision; whether the workflow still stands there it judges alone.
    Raises Conflict with the present revision, and otherwise as `Actor.act`.
    """
    limit = time.monotonic() + seconds
    with connection():
        if acting.answered_before(execution.workspace, request):
            return
    if expected_revision not in (0, execution.revision):
        raise _conflict(execution, expected_revision)
    action = VariablesChanged(variables, execution.last_number if expected_revision else 0)
    try:
        actor.act(execution.workspace, execution.id, action, request=request, seconds=seconds)
    except Conflict as conflict:
        if conflict.reason != "REVISION_CONFLICT":
            raise
        raise _conflict(_later(execution, limit), expected_revision) from conflict


def _later(read: Execution, limit: float) -> Execution:
    """Read an execution again whose workflow has gone on: what it did since may take a moment to be stored."""
    limit = min(limit, time.monotonic() + SETTLING)
    while True:
        execution = acting.get(read.workspace, read.id)
        if execution.revision != read.revision or time.monotonic() > limit:
            return execution
        time.sleep(0.02)


def _conflict(execution: Execution, expected: int) -> Conflict:
    revision = execution.revision
    has = f"has revision {revision}, not {expected}" if revision != expected else "is changing at this moment"
    return Conflict(
        "REVISION_CONFLICT",
        f"execution {execution.id} {has}; read it again",
        execution_id=execution.id,
        revision=revision,
    )
