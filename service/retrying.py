"""RetryExecution: a failed execution goes on from the steps that the failure ended, in a workflow of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from service.acting import Request, answered_before, as_error, get
from service.awaiting import await_children, planned
from service.domain.execution import Execution, Launch, Siblings
from service.engine.advancing import phase
from service.engine.entries import Entry
from service.engine.folding import fold
from service.engine.observations import Retried
from service.engine.run import Refused
from service.engine.state import State
from service.gateway import Gateway
from service.launching import LEASE, FirstMoves, launch, moves_from, subject_in_use
from service.plans import Plans
from service.recording import writing
from storage import executions, families, ledger
from storage.database import connection, refusing, transaction

ALL = 1_000_000_000
"""More ledger writes than an execution has."""


def retry(
    gateway: Gateway,
    plans: Plans,
    workspace: str,
    execution_id: str,
    *,
    request: Request,
    now: datetime,
    seconds: float,
) -> None:
    """Take a failed execution up again.

    Its state is rebuilt from the ledger. Every step run that the failure ended begins its next visit; children that
    succeeded are kept, and the first of the others are awaited for so many seconds. Raises NotFound; WrongState for one
    that has not FAILED; AlreadyExists for a request id of another call, or when another execution is open for its
    subject by now.
    """
    with connection():
        execution = get(workspace, execution_id)
        if answered_before(workspace, request):
            return
        failed = state_of(execution)
        retried = Retried({"id": request.id, "method": request.method, "digest": request.digest})
        moves = _moves(plans, execution, failed, retried, now)
        order = _reopen(plans, execution, failed, moves, now)
    if order is not None:
        launched = launch(gateway, order, 0, lambda: datetime.now(UTC))
        if launched is not None and launched.status == "STARTED":
            plan = plans.get(workspace, execution.plan_digest)
            await_children(plan, launched, planned(moves.entries), seconds)


def state_of(execution: Execution) -> State:
    """Rebuild the engine's state of an execution from its ledger."""
    entries = ledger.entries(execution.workspace, execution.id, after=0, limit=ALL)
    return fold(Entry.from_dict(entry) for entry in entries)


def _moves(plans: Plans, execution: Execution, failed: State, retried: Retried, now: datetime) -> FirstMoves:
    plan = plans.get(execution.workspace, execution.plan_digest)
    try:
        return moves_from(plan, failed, retried, now)
    except Refused as refused:
        raise as_error(refused) from refused


def _reopen(plans: Plans, execution: Execution, failed: State, moves: FirstMoves, now: datetime) -> Launch | None:
    """Store the retry; gives what is to be handed to Temporal, None when somebody else was first or it has ended."""
    plan = plans.get(execution.workspace, execution.plan_digest)
    batch = writing(execution.workspace, execution.id, moves.entries, phase(plan, moves.state), now)
    launch_state = None if moves.has_ended else moves.state.to_json()
    in_use = subject_in_use(execution.subject_type, execution.subject_id)
    with refusing(executions_subject_open=in_use), transaction():
        if not executions.reopen(batch, launch_state, LEASE):
            return None
        for entry in moves.entries:
            _hand_on(execution, failed, entry)
    if launch_state is None:
        return None
    return Launch(
        execution.workspace,
        execution.id,
        execution.plan_digest,
        launch_state,
        execution.create_time,
        execution.retries + 1,
    )


def _hand_on(execution: Execution, failed: State, entry: Entry) -> None:
    """Let the children of a step run that failed count for the one with which its retry begins."""
    lost = failed.lost.get(entry.data.get("retries", ""))
    if lost is None or lost.children is None or "children" not in entry.data:
        return
    earlier = Siblings(execution.workspace, execution.id, lost.step_id, lost.visit, lost.children.round)
    families.inherit(earlier, replace(earlier, visit=entry.visit, round=entry.data["children"]["round"]))
