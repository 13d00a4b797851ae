"""What callers do to an execution under way: complete a step, move a step, cancel.

The workflow alone judges. What it answers is durable; it is written before the caller is told, so every read after that
shows it. The caller's request id stands in the same write, so asking again changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from service.definition.plan import Plan
from service.domain.errors import AlreadyExists, HeddleError, Invalid, NotFound, Unavailable, WrongState
from service.domain.execution import Execution, Launch
from service.domain.json_text import canonical
from service.engine.advancing import advance
from service.engine.observations import Cancelled, StepCompleted, StepUpdated, encode
from service.engine.run import Refused
from service.engine.state import State
from service.launching import Effect, Gateway, TemporalAway, WorkflowEnded
from service.recording import NotTheWriter, record, writing
from storage import executions, requests, step_runs
from storage.database import connection

Action = StepCompleted | StepUpdated | Cancelled
AnyAction = TypeVar("AnyAction", bound=Action)


@dataclass(frozen=True, slots=True)
class Request:
    """The call behind an action: its id, and what tells it from another call of the same id."""

    id: str
    method: str
    digest: str


def act(
    gateway: Gateway, workspace: str, execution_id: str, action: Action, *, request: Request, seconds: float
) -> Execution:
    """Bring an action to an execution and give the execution after its effect, within `seconds`.

    Raises NotFound, Invalid, WrongState as the engine judges; AlreadyExists for a request id of another call;
    Unavailable when no answer came, and then the same request may be sent again.
    """
    with connection():
        execution = get(workspace, execution_id)
        if _answered_before(workspace, request):
            return execution
        launch = executions.launch_of(workspace, execution_id) if execution.status == "CREATED" else None
    document = encode(_on(action, request))
    try:
        if launch is not None:
            effect = gateway.start_and_observe(launch, document, seconds)
        elif execution.has_ended:
            raise WorkflowEnded(f"execution {execution_id} is {execution.status}")
        else:
            effect = gateway.observe(workspace, execution_id, document, seconds)
        _store(workspace, execution_id, effect)
    except Refused as refused:
        if refused.reason != "STEP_NOT_WAITING" or not _is_repeated(workspace, execution_id, action):
            raise _as_error(refused) from refused
    except WorkflowEnded as ended:
        _check_repeated(workspace, execution_id, action, ended)
    except TemporalAway as away:
        raise Unavailable("TEMPORAL_UNAVAILABLE", f"{away}; ask again with the same request_id") from away
    with connection():
        return get(workspace, execution_id)


def _store(workspace: str, execution_id: str, effect: Effect) -> None:
    """Write the effect before the caller is told of it, so that every read after that shows it."""
    with connection():
        try:
            record(workspace, execution_id, effect.entries, effect.phase, datetime.now(UTC))
        except NotTheWriter as other:
            raise WorkflowEnded(str(other)) from other


def cancel_unlaunched(
    workspace: str, execution_id: str, plan: Plan, action: Cancelled, *, request: Request, now: datetime
) -> bool:
    """Cancel an execution that Temporal does not have yet; False when it has left CREATED meanwhile.

    Should a start of it be under way all the same, the workflow's first write is refused and it ends itself.
    """
    with connection():
        launch = executions.launch_of(workspace, execution_id)
        if launch is None:
            return False
        return executions.record(_cancellation(launch, plan, _on(action, request), now))


def _on(action: AnyAction, request: Request) -> AnyAction:
    """Note on an action which call is behind it."""
    return replace(action, request={"id": request.id, "method": request.method, "digest": request.digest})


def _cancellation(launch: Launch, plan: Plan, action: Cancelled, now: datetime) -> executions.Writing:
    outcome = advance(plan, State.from_json(launch.state), action, now)
    return writing(launch.workspace, launch.execution_id, outcome.entries, "NONE", now, owner="CREATED")


def get(workspace: str, execution_id: str) -> Execution:
    """Get an execution; raises NotFound."""
    execution = executions.get(workspace, execution_id)
    if execution is None:
        raise NotFound("EXECUTION_NOT_FOUND", f"there is no execution {execution_id}", execution_id=execution_id)
    return execution


def _answered_before(workspace: str, request: Request) -> bool:
    stored = requests.find(workspace, request.id)
    if stored is None:
        return False
    if (stored.method, stored.digest) != (request.method, request.digest):
        raise AlreadyExists(
            "REQUEST_ID_REUSED",
            f"request_id {request.id} was used for another {stored.method} call",
            request_id=request.id,
        )
    return True


def _check_repeated(workspace: str, execution_id: str, action: Action, ended: WorkflowEnded) -> None:
    """Let an action pass that says again what was done; an execution that has ended takes no other."""
    with connection():
        execution = get(workspace, execution_id)
    if not execution.has_ended:
        raise Unavailable(
            "TEMPORAL_UNAVAILABLE",
            f"execution {execution_id} is {execution.status}, but Temporal does not run it: {ended}",
            execution_id=execution_id,
        )
    if isinstance(action, Cancelled) and execution.status == "CANCELLED":
        return
    if not _is_repeated(workspace, execution_id, action):
        verb = "cancel" if isinstance(action, Cancelled) else f"change step {action.step_id} of"
        raise WrongState(
            "EXECUTION_ENDED",
            f"cannot {verb} execution {execution_id}: it is {execution.status}",
            execution_id=execution_id,
            status=execution.status,
        )


def _is_repeated(workspace: str, execution_id: str, action: Action) -> bool:
    """Tell whether a step was completed before in the same words, or has the status that it is to get."""
    if isinstance(action, Cancelled):
        return False
    with connection():
        run = step_runs.get(workspace, execution_id, action.step_id, action.visit)
    if isinstance(action, StepUpdated):
        return run is not None and run.status == action.status
    return (
        run is not None
        and run.status == "COMPLETED"
        and run.output is not None
        and canonical(json.loads(run.output)) == canonical(action.output)  # Python's 1 == True
        and (run.outcome or "") == action.outcome
    )


def _as_error(refused: Refused) -> HeddleError:
    facts = {name: value for name, value in refused.facts.items() if name != "violations"}
    match refused.reason:
        case "OUTPUT_INVALID":
            violations = [f"{v['pointer'] or '/'}: {v['message']}" for v in refused.facts.get("violations", ())]
            return Invalid(refused.reason, refused.message, field="output_json", violations=violations, **facts)
        case "STEP_NOT_FOUND" | "STEP_RUN_NOT_FOUND":
            return NotFound(refused.reason, refused.message, **facts)
        case _:
            return WrongState(refused.reason, refused.message, **facts)
