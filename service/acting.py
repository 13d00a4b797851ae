"""What callers do to an execution under way: complete a step, move a step, cancel.

The workflow alone judges. What it answers is durable; it is written before the caller is told, so every read after that
shows it. The caller's request id stands in the same write, so asking again changes nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TypeVar

from service.domain.errors import AlreadyExists, Conflict, HeddleError, Invalid, NotFound, Unavailable, WrongState
from service.domain.execution import Execution
from service.domain.json_text import canonical
from service.domain.step_run import StepRun
from service.engine.observations import Cancelled, StepCompleted, StepUpdated, VariablesChanged
from service.engine.run import Refused
from service.gateway import Gateway, TemporalAway, WorkflowEnded
from service.observing import observe
from service.plans import Plans
from service.relating import Relations
from storage import executions, requests, step_runs
from storage.database import connection

Action = StepCompleted | StepUpdated | Cancelled | VariablesChanged
AnyAction = TypeVar("AnyAction", bound=Action)


@dataclass(frozen=True, slots=True)
class Request:
    """The call behind an action: its id, and what tells it from another call of the same id."""

    id: str
    method: str
    digest: str

    @property
    def update_id(self) -> str:
        """What Temporal knows it by, as long as the workflow runs; another call of the same id is another update."""
        return f"{self.id}/{self.digest}"


class Actor:
    """Brings what callers do to executions."""

    def __init__(self, gateway: Gateway, plans: Plans) -> None:
        self.relations = Relations(gateway, plans)
        self.gateway = gateway

    def act(self, workspace: str, execution_id: str, action: Action, *, request: Request, seconds: float) -> None:
        """Bring an action to an execution within `seconds`; every read after this shows its effect.

        The effect reaches parents and children before this returns, as far as the time goes.

        Raises NotFound, Invalid, WrongState as the engine judges; AlreadyExists for a request id of another call;
        Unavailable when no answer came, and then the same request may be sent again.
        """
        limit = time.monotonic() + seconds
        with connection():
            execution = get(workspace, execution_id)
            if answered_before(workspace, request):
                return
        try:
            left = observe(self.gateway, execution, _on(action, request), request.update_id, seconds)
            self.relations.settle(execution, left, limit - time.monotonic())
        except Refused as refused:
            if refused.reason != "STEP_NOT_WAITING" or not _is_repeated(workspace, execution_id, action):
                raise as_error(refused) from refused
        except WorkflowEnded as ended:
            _check_repeated(workspace, execution_id, action, ended)
        except TemporalAway as away:
            raise Unavailable("TEMPORAL_UNAVAILABLE", f"{away}; ask again with the same request_id") from away

    def cancel(self, workspace: str, execution_id: str, action: Cancelled, *, request: Request, seconds: float) -> None:
        """Cancel an execution with its descendants, also one that Temporal does not have yet; raises as `act` does."""
        try:
            self.act(workspace, execution_id, action, request=request, seconds=seconds)
        except Unavailable:
            with connection():
                execution = get(workspace, execution_id)
            if not self.relations.cancel_unlaunched(execution, _on(action, request)):
                raise


def _on(action: AnyAction, request: Request) -> AnyAction:
    """Note on an action which call is behind it."""
    return replace(action, request={"id": request.id, "method": request.method, "digest": request.digest})


def get(workspace: str, execution_id: str) -> Execution:
    """Get an execution; raises NotFound."""
    execution = executions.get(workspace, execution_id)
    if execution is None:
        raise _not_found(execution_id)
    return execution


def get_with_step_runs(workspace: str, execution_id: str) -> tuple[Execution, list[StepRun]]:
    """Get an execution with its newest step runs, both as of one moment; raises NotFound."""
    found = step_runs.with_execution(workspace, execution_id)
    if found is None:
        raise _not_found(execution_id)
    return found


def _not_found(execution_id: str) -> NotFound:
    return NotFound("EXECUTION_NOT_FOUND", f"there is no execution {execution_id}", execution_id=execution_id)


def answered_before(workspace: str, request: Request) -> bool:
    """Tell whether this very call was taken in before; raises AlreadyExists when its id was another call's."""
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
        verb = f"change step {action.step_id} of" if isinstance(action, StepCompleted | StepUpdated) else "change"
        verb = "cancel" if isinstance(action, Cancelled) else verb
        raise WrongState(
            "EXECUTION_ENDED",
            f"cannot {verb} execution {execution_id}: it is {execution.status}",
            execution_id=execution_id,
            status=execution.status,
        )


def _is_repeated(workspace: str, execution_id: str, action: Action) -> bool:
    """Tell whether a step was completed before in the same words, or has the status that it is to get."""
    if isinstance(action, Cancelled | VariablesChanged):
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


def as_error(refused: Refused) -> HeddleError:
    """Say in the product's words what the engine refuses."""
    facts = {name: value for name, value in refused.facts.items() if name != "violations"}
    match refused.reason:
        case "OUTPUT_INVALID":
            violations = [f"{v['pointer'] or '/'}: {v['message']}" for v in refused.facts.get("violations", ())]
            return Invalid(refused.reason, refused.message, field="output_json", violations=violations, **facts)
        case "OUTCOME_NOT_ALLOWED":
            return Invalid(refused.reason, refused.message, field="outcome", **facts)
        case "VARIABLES_INVALID":
            return Invalid(refused.reason, refused.message, field="variables_json", **facts)
        case "REVISION_CONFLICT":
            return Conflict(refused.reason, refused.message, **facts)
        case "STEP_NOT_FOUND" | "STEP_RUN_NOT_FOUND":
            return NotFound(refused.reason, refused.message, **facts)
        case _:
            return WrongState(refused.reason, refused.message, **facts)
