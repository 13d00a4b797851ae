"""How far an execution has come, read from where it and its step runs stand at one moment."""

from __future__ import annotations

from service.acting import get
from service.domain.execution import Execution
from service.engine.stages import Progress, has_children_open, progress
from service.plans import Plans
from storage import families, step_runs
from storage.database import connection


def progress_of(workspace: str, execution_id: str, plans: Plans) -> tuple[Execution, Progress]:
    """Get an execution with how far it has come; raises NotFound."""
    with connection():
        execution = get(workspace, execution_id)
        plan = plans.get(workspace, execution.plan_digest)
        status, standings = step_runs.standings(workspace, execution_id) or (execution.status, [])
        children_wait = has_children_open(plan, standings) and families.children_await_input(workspace, execution_id)
    return execution, progress(plan, status, standings, children_wait=children_wait)
