"""What happens to an execution's parent when it ends, and to its children when it does not want them any more.

Whoever writes such an end does this at once. Should it die, the mark in the row remains, and a server's sweep does it.
"""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from service.awaiting import await_children
from service.delivering import Deliverer
from service.domain.execution import PROMPT, Execution
from service.engine.advancing import advance
from service.engine.observations import Cancelled, ChildEnded, encode
from service.engine.run import Refused
from service.engine.state import State, key
from service.gateway import Gateway, TemporalAway, WorkflowEnded
from service.observing import observe
from service.plans import Plans
from service.recording import writing
from storage import executions, families
from storage.database import connection
from storage.executions import Recorded

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds in which whoever took a child to cancel or to report must have done it."""

AT_ONCE = 8
"""Children that one thread cancels at the same time."""

PAUSE = 0.02
"""Seconds between two looks at what others cancel."""

LATER = 15.0
"""Seconds after which a parent that could not be told is tried again."""

UNWANTED = "its parent does not need it any more"


@dataclass(frozen=True, slots=True)
class Relations:
    """Tells parents of their children's ends and cancels children for their parents."""

    gateway: Gateway
    plans: Plans

    def settle(self, execution: Execution, left: Recorded, seconds: float) -> None:
        """Do what a write left to do, parent's parents and children's children included, as far as the time goes."""
        limit = time.monotonic() + seconds
        if left.cancels:
            self.cancel_children(execution, limit - time.monotonic())
        if left.reports:
            self.report(execution.workspace, execution.id, limit - time.monotonic())
        if left.waits:
            self.deliverer.look_back(execution.workspace, execution.id, limit - time.monotonic())
        if left.planned:
            plan = self.plans.get(execution.workspace, execution.plan_digest)
            await_children(plan, execution, left.planned, limit - time.monotonic())

    @property
    def deliverer(self) -> Deliverer:
        """What brings events to executions, and settles what comes of that."""
        return Deliverer(self.gateway, self.settle, self.cancel_unlaunched)

    def cancel_children(self, parent: Execution, seconds: float) -> None:
        """Cancel the children of an execution that are marked to be, and theirs; wait for those that others cancel."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            with connection():
                due = families.claim_cancellations(50, LEASE, parent=(parent.workspace, parent.id))
                others = bool(due) or families.awaits_cancellation(parent)
            if not others:
                return
            if not due:
                time.sleep(PAUSE)
                continue
            with ThreadPoolExecutor(AT_ONCE, "cancel") as pool:
                list(pool.map(lambda child: self.cancel(child, max(1.0, limit - time.monotonic())), due))

    def cancel(self, child: families.Due, seconds: float) -> None:
        """Cancel one child; one that has ended meanwhile is as good."""
        with connection():
            execution = executions.get(child.workspace, child.execution_id)
            if execution is None or execution.has_ended:
                return
            wish = Cancelled(reason=UNWANTED, source="SYSTEM", compensates=_compensates(execution))
        try:
            left = observe(self.gateway, execution, wish, f"cancel/{execution.id}/{execution.retries}", seconds)
            self.settle(execution, left, seconds)
        except (WorkflowEnded, Refused) as ended:
            log.info("execution %s was not cancelled: %s", execution.id, ended)
        except TemporalAway as away:
            if not self.cancel_unlaunched(execution, wish):
                log.warning("execution %s is to be cancelled later: %s", execution.id, away)

    def cancel_unlaunched(self, execution: Execution, wish: Cancelled) -> bool:
        """Cancel an execution that Temporal does not have yet; False when it has left CREATED meanwhile.

        False, too, when something is to be compensated, which takes Temporal.
        Should a start of it be under way all the same, the workflow finds, before its first step, that it is late.
        """
        time.sleep(max(0.0, (execution.create_time + 2 * PROMPT - datetime.now(UTC)).total_seconds()))
        now = datetime.now(UTC)
        with connection():
            launch = executions.launch_of(execution.workspace, execution.id)
            if launch is None:
                return False
            plan = self.plans.get(execution.workspace, launch.plan_digest)
            outcome = advance(plan, State.from_json(launch.state), wish, now)
            if not outcome.state.is_over:
                return False
            batch = writing(execution.workspace, execution.id, outcome.entries, "NONE", now, owner="CREATED")
            left = executions.record(batch)
        if left is not None:
            self.settle(execution, left, LEASE)
        return left is not None

    def report(self, workspace: str, child_id: str, seconds: float) -> None:
        """Tell the parent how a child ended, wait until it has taken that in, and go on upwards from there."""
        child, parent = _pair(workspace, child_id)
        if child is None or parent is None:
            return
        try:
            left = observe(self.gateway, parent, word_of(child), f"child/{child.id}/{child.retries}", max(1.0, seconds))
        except (WorkflowEnded, TemporalAway) as away:
            _later(child, away)
            return
        with connection():
            families.reported(child)
        self.settle(parent, left, seconds)

    def pass_on(self, workspace: str, child_id: str) -> None:
        """Tell the parent how a child ended, and do not wait for what it makes of it."""
        child, parent = _pair(workspace, child_id)
        if child is None or parent is None:
            return
        try:
            self.gateway.tell(parent.workflow_id, encode(word_of(child)), after=parent.last_number)
        except (WorkflowEnded, TemporalAway) as away:
            _later(child, away)
            return
        with connection():
            families.reported(child)

    def sweep(self) -> int:
        """Do what others have left undone; gives how much was due."""
        with connection():
            unwanted = families.claim_cancellations(50, LEASE)
            ended = families.claim_reports(50, LEASE)
        for due in unwanted:
            self.cancel(due, LEASE)
        for due in ended:
            self.pass_on(due.workspace, due.execution_id)
        return len(unwanted) + len(ended)


def word_of(child: Execution) -> ChildEnded:
    """What a child that has ended tells its parent."""
    return ChildEnded(
        key=key(child.parent_step_id, child.parent_visit),
        round=child.parent_round,
        item=child.parent_item,
        id=child.id,
        status=child.status,
        size=len((child.output or "").encode()),
        error=None if child.error is None else _brief(json.loads(child.error)),
    )


def _compensates(child: Execution) -> bool:
    """Tell whether a child makes up for what it did when it is cancelled: unless its parent was not to, either."""
    parent = executions.without_values(child.workspace, child.parent_id or "")
    if parent is None or parent.cancellation is None:
        return True
    return bool(json.loads(parent.cancellation).get("compensates", True))


def _brief(error: dict[str, str]) -> dict[str, str]:
    """The part of an error that its parent is told: code and message, of a length that adds up in a batch."""
    return {"code": error["code"], "message": error["message"][:500]}


def _pair(workspace: str, child_id: str) -> tuple[Execution | None, Execution | None]:
    """Get a child that has ended and its parent; None for a parent that is not to be told, which is then noted."""
    with connection():
        child = executions.get(workspace, child_id)
        if child is None or child.parent_id is None or not child.has_ended:
            return None, None
        # Its input may hold the items of a batch, and be as long as the batch is.
        parent = executions.without_values(workspace, child.parent_id)
        if parent is None or parent.has_ended:
            families.reported(child)
            return child, None
    return child, parent


def _later(child: Execution, why: Exception) -> None:
    log.info("the parent of execution %s is told later: %s", child.id, why)
    with connection():
        families.postpone_report(child, LATER)
