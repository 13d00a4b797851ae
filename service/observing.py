"""Bringing an observation to an execution, wherever it lives, and storing what came of it before anybody is told."""

from __future__ import annotations

from datetime import UTC, datetime

from service.awaiting import planned
from service.domain.execution import Execution
from service.engine.observations import FromOutside, encode
from service.engine.projecting import ENDS
from service.gateway import Effect, Gateway, WorkflowEnded
from service.recording import NotTheWriter, record
from storage import executions
from storage.database import connection
from storage.executions import Recorded


def observe(gateway: Gateway, execution: Execution, observation: FromOutside, id: str, seconds: float) -> Recorded:
    """Bring an observation to an execution and store its effect; gives what that leaves to do about its family.

    The workflow may write the same effect first, and then does the same about the family; who waits for it, too, knows
    when it is done.

    Raises Refused as the engine judges, WorkflowEnded when the execution takes no more, TemporalAway when nobody
    answered: the observation may have been taken in, and may be sent again under the same id.
    """
    after = execution.last_number
    with connection():
        launch = executions.launch_of(execution.workspace, execution.id) if execution.status == "CREATED" else None
    if launch is not None:
        effect = gateway.start_and_observe(launch, encode(observation), id, seconds, after=after)
    elif execution.is_over:
        raise WorkflowEnded(f"execution {execution.id} is {execution.status}")
    else:
        effect = gateway.observe(execution.workflow_id, encode(observation), id, seconds, after=after)
    return store(execution, effect)


def store(execution: Execution, effect: Effect) -> Recorded:
    """Write an effect, so that every read after that shows it; raises WorkflowEnded when another writer came before."""
    with connection():
        try:
            record(execution.workspace, execution.id, effect.entries, effect.phase, datetime.now(UTC))
        except NotTheWriter as other:
            raise WorkflowEnded(str(other)) from other
    ends = any(entry.type in ENDS for entry in effect.entries)
    cancels = any(entry.data.get("cancels") for entry in effect.entries)
    waits = any("wait" in entry.data or "waits" in entry.data for entry in effect.entries)
    reports = ends and execution.parent_id is not None
    return Recorded(reports=reports, cancels=cancels, planned=planned(effect.entries), waits=waits)
