"""How far an execution has come, as people see it: its step groups with a status each, and one word for the whole.

Everything is derived from the plan, the execution's status and where its step runs stand; docs/stages.md says how.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.definition.plan import Plan, Step, StepGroup
from service.definition.steps import kinds
from service.definition.walking import reachable
from service.domain.step_run import Standing
from service.engine.steps.kinds import KINDS

NOT_STARTED, IN_PROGRESS, BLOCKED, COMPLETED = "NOT_STARTED", "IN_PROGRESS", "BLOCKED", "COMPLETED"
"""The statuses of a group; the last three are also words for a whole execution."""

AWAITING_CUSTOMER_INPUT, SUBMITTED = "AWAITING_CUSTOMER_INPUT", "SUBMITTED"
"""The other words for a whole execution."""

_UNDER_WAY = frozenset({"RUNNING", "WAITING"})
_OPEN = _UNDER_WAY | {"PENDING", "DISABLED"}
_LOST = frozenset({"FAILED", "CANCELLED", "SKIPPED"})
_NEVER_BEGAN = frozenset({"PENDING", "DISABLED", "SKIPPED"})
_SUB_WORKFLOW = "sys.sub_workflow"
_BROKEN_OFF = frozenset({"FAILED", "CANCELLED", "FAILED_TO_START"})


@dataclass(frozen=True, slots=True)
class StepView:
    """A step with the status of the visit that tells most: one under way, else a parked one, else the newest."""

    step: Step
    status: str
    visit: int  # 0: no token has reached it


@dataclass(frozen=True, slots=True)
class GroupView:
    """A step group of one execution; `bypassed` tells that it has not begun and, as things stand, will not."""

    group: StepGroup
    status: str
    bypassed: bool
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has come; the groups stand in the order of the definition."""

    overall: str
    groups: tuple[GroupView, ...]


def progress(plan: Plan, status: str, standings: Iterable[Standing], *, children_wait: bool = False) -> Progress:
    """Derive how far an execution of a status has come; `children_wait` tells that all its open children wait too."""
    case = _Case(plan, status, standings)
    groups = tuple(_group(case, group) for group in plan.groups)
    return Progress(_overall(case, groups, children_wait=children_wait), groups)


def has_children_open(plan: Plan, standings: Iterable[Standing]) -> bool:
    """Tell whether a sub-workflow step is under way."""
    return any(one.status in _UNDER_WAY and plan.step[one.step_id].type == _SUB_WORKFLOW for one in standings)


class _Case:
    """An execution as everything here looks at it."""

    def __init__(self, plan: Plan, status: str, standings: Iterable[Standing]) -> None:
        self.plan = plan
        self.status = status
        self.visits: dict[str, list[Standing]] = defaultdict(list)
        for standing in standings:
            self.visits[standing.step_id].append(standing)
        self.steps = {step_id: _view(plan.step[step_id], own) for step_id, own in self.visits.items()}
        self.ahead = self._ahead()

    @property
    def is_broken_off(self) -> bool:
        return self.status in _BROKEN_OFF

    def _ahead(self) -> set[str]:
        """Find the steps that tokens may still come to without going back along a loop."""
        if self.status == "COMPLETED":
            return set()
        places = _LOST | _OPEN if self.is_broken_off else _OPEN
        here: Iterable[str] = [step_id for step_id, view in self.steps.items() if view.status in places]
        if not here and not self.is_broken_off:
            here = self.steps or [self.plan.start.id]  # between two steps: who knows which came last
        forward = self.plan.forward
        return reachable([following for step_id in here for following in forward[step_id]], forward)


def _view(step: Step, visits: Iterable[Standing]) -> StepView:
    chosen = max(visits, key=lambda standing: (standing.status in _UNDER_WAY, standing.status in _OPEN, standing.visit))
    return StepView(step, chosen.status, chosen.visit)


def _group(case: _Case, group: StepGroup) -> GroupView:
    steps = tuple(case.steps.get(id) or StepView(case.plan.step[id], "PENDING", 0) for id in group.step_ids)
    now = {step.status for step in steps if step.visit}
    has_begun = any(_has_begun(case.visits.get(step_id, ())) for step_id in group.step_ids)
    is_done = case.ahead.isdisjoint(group.step_ids) and not now & _OPEN
    if "FAILED" in now or ("DISABLED" in now and now & _OPEN == {"DISABLED"}):
        status = BLOCKED
    elif not has_begun:
        status = NOT_STARTED
    elif case.is_broken_off:
        status = COMPLETED if is_done and not now & _LOST else BLOCKED
    else:
        status = COMPLETED if is_done else IN_PROGRESS
    return GroupView(group, status, status == NOT_STARTED and is_done, steps)


def _overall(case: _Case, groups: Sequence[GroupView], *, children_wait: bool) -> str:
    if case.is_broken_off:
        return BLOCKED
    if case.status == "COMPLETED":
        return COMPLETED
    working = {view.step.type for view in case.steps.values() if view.status in _UNDER_WAY}
    waiting = {type for type in working if kinds.KINDS[type].is_human or (type == _SUB_WORKFLOW and children_wait)}
    if waiting and not any(KINDS[type].waits_for == "RUNNING" for type in working - waiting):
        return AWAITING_CUSTOMER_INPUT
    if not working and any(view.status == "DISABLED" for view in case.steps.values()):
        return BLOCKED
    begun = [view.step for id, view in case.steps.items() if _has_begun(case.visits[id])]
    if groups:
        has_begun = any(group.status != NOT_STARTED for group in groups)
    else:
        has_begun = any(not kinds.KINDS[step.type].is_special for step in begun)
    return IN_PROGRESS if has_begun else SUBMITTED


def _has_begun(visits: Iterable[Standing]) -> bool:
    """Tell whether a visit was ever more than parked."""
    return any(standing.status not in _NEVER_BEGAN for standing in visits)
