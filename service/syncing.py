"""SyncExecution: read again from Temporal how an execution stands, and repair its record where that differs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.acting import get
from service.domain.errors import Unavailable
from service.domain.execution import Execution
from service.engine.advancing import advance
from service.engine.observations import Lost
from service.gateway import Gateway, TemporalAway, WorkflowEnded
from service.launching import launch
from service.observing import store
from service.plans import Plans
from service.recording import Diverged, writing
from service.relating import Relations
from service.retrying import state_of
from storage import executions, families
from storage.database import connection

log = logging.getLogger(__name__)

CHILDREN = 200
"""Open children of an execution that are compared with it."""

SLOW = timedelta(seconds=10)
"""A workflow may run on for so long after its execution has ended: it still writes what a server wrote already."""

OVERLAP = timedelta(minutes=5)
"""How far back a sweep looks again: Temporal's lists show an end a little later."""

FIRST_LOOK = timedelta(days=1)
"""How far back a server looks that has just started: nobody may have looked meanwhile."""

FATES = {
    "TERMINATED": "its workflow was terminated in Temporal",
    "TIMED_OUT": "its workflow ran into a time limit of Temporal",
    "CANCELED": "its workflow was cancelled in Temporal before it could say so",
    "COMPLETED": "its workflow completed in Temporal, but its record lacks the end",
    "FAILED": "its workflow failed in Temporal, but its record lacks the end",
    "NONE": "Temporal does not have its workflow any more",
}


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was repaired: a name of `SyncExecutionResponse.Repair.Kind`, and what it was."""

    kind: str
    description: str


class Syncer:
    """Compares records with Temporal."""

    def __init__(self, gateway: Gateway, plans: Plans, relations: Relations) -> None:
        self._gateway = gateway
        self._plans = plans
        self._relations = relations
        self._looked = datetime.now(UTC) - FIRST_LOOK

    def sync(self, workspace: str, execution_id: str, seconds: float) -> list[Repair]:
        """Repair the record of an execution and of its children; gives what was repaired.

        Raises NotFound, and Unavailable when Temporal, or a worker, cannot be asked.
        """
        with connection():
            execution = get(workspace, execution_id)
        try:
            repairs = self._launched(execution) if execution.status == "CREATED" else []
            with connection():
                execution = get(workspace, execution_id)
            repairs += self._ended(execution) if execution.is_over else self._running(execution, seconds)
        except TemporalAway as away:
            raise Unavailable("TEMPORAL_UNAVAILABLE", str(away)) from away
        return repairs + self._of_family(workspace, execution_id, seconds)

    def sweep(self) -> int:
        """Repair the records of executions whose workflows were lately ended behind Heddle's back."""
        since, self._looked = self._looked, datetime.now(UTC)
        try:
            lost = self._gateway.ended_badly(since - OVERLAP)
        except TemporalAway as away:
            self._looked = since
            log.info("cannot ask Temporal for workflows that ended: %s", away)
            return 0
        with connection():
            open = executions.open_among(lost)
        for workspace, execution_id in open:
            repairs = self.sync(workspace, execution_id, SLOW.total_seconds())
            log.warning("repaired execution %s: %s", execution_id, "; ".join(one.description for one in repairs))
        return len(open)

    def _launched(self, execution: Execution) -> list[Repair]:
        with connection():
            order = executions.launch_of(execution.workspace, execution.id)
        if order is None:
            return []
        was_there = self._gateway.fate(order.workflow_id) != "NONE"
        if launch(self._gateway, order, execution.launch_attempts, lambda: datetime.now(UTC)) is None:
            raise TemporalAway("Temporal cannot be reached; the execution starts when it is back")
        if was_there:
            return []  # only the word of it was under way
        return [Repair("LAUNCHED", "Temporal did not have the execution yet; it was handed over")]

    def _ended(self, execution: Execution) -> list[Repair]:
        if execution.end_time is None or datetime.now(UTC) - execution.end_time < SLOW:
            return []
        if self._gateway.fate(execution.workflow_id) != "RUNNING":
            return []
        self._gateway.terminate(execution.workflow_id, f"the execution is {execution.status}")
        return [
            Repair("WORKFLOW_ENDED", f"the execution is {execution.status}, but its workflow still ran; it was ended")
        ]

    def _running(self, execution: Execution, seconds: float) -> list[Repair]:
        fate = self._gateway.fate(execution.workflow_id)
        repairs = [] if fate == "NONE" else self._unwritten(execution, seconds)
        if fate == "RUNNING":
            return repairs
        with connection():
            execution = get(execution.workspace, execution.id)
        return repairs if execution.is_over else [*repairs, self._lost(execution, FATES.get(fate, fate))]

    def _unwritten(self, execution: Execution, seconds: float) -> list[Repair]:
        """Write what the workflow knows and the record does not."""
        after, is_more = execution.last_number, True
        while is_more:
            try:
                effect = self._gateway.unwritten(execution.workflow_id, seconds, after=after)
                left = store(execution, effect)
            except (WorkflowEnded, Diverged):
                break  # what it has wrong, the workflow finds by itself
            self._relations.settle(execution, left, seconds)
            after = max([after, *(entry.number for entry in effect.entries)])
            is_more = effect.upto > after
        with connection():
            missing = get(execution.workspace, execution.id).last_number - execution.last_number
        return [Repair("ENTRIES_WRITTEN", f"the record lacked {missing} ledger entries")] if missing else []

    def _lost(self, execution: Execution, why: str) -> Repair:
        """Let the execution fail for want of its workflow; RetryExecution takes it up again."""
        with connection():
            now = datetime.now(UTC)
            plan = self._plans.get(execution.workspace, execution.plan_digest)
            outcome = advance(plan, state_of(execution), Lost(why), now)
            left = executions.record(writing(execution.workspace, execution.id, outcome.entries, "NONE", now))
        if left is not None:
            self._relations.settle(execution, left, SLOW.total_seconds())
        became = "its compensation has ended with errors" if execution.has_ended else "the execution has FAILED"
        return Repair("ENDED_IN_TEMPORAL", f"{why}; {became}")

    def _of_family(self, workspace: str, execution_id: str, seconds: float) -> list[Repair]:
        """See that the parent knows of an end, that children no longer wanted are cancelled, and how others stand."""
        repairs: list[Repair] = []
        with connection():
            execution = get(workspace, execution_id)
            news, unwanted = families.pending(workspace, execution_id)
        if unwanted:
            self._relations.cancel_children(execution, seconds)
            repairs.append(Repair("CHILDREN_CANCELLED", f"{unwanted} children were cancelled that were not wanted"))
        if news:
            self._relations.report(workspace, execution_id, seconds)
            repairs.append(Repair("PARENT_TOLD", f"parent {execution.parent_id} was told of the end"))
        with connection():
            children = families.open_children(workspace, execution_id, CHILDREN)
        for child in children:
            repairs += [
                Repair(one.kind, f"child {child}: {one.description}") for one in self.sync(workspace, child, seconds)
            ]
        return repairs
