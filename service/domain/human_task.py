"""A human task: one visit of a human step, as the people see it whose work it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
"""How urgent a task is, from the least."""

OPEN = ("OPEN", "CLAIMED")
"""The statuses of a task that is still to be done."""

STATUSES = (*OPEN, "COMPLETED", "EXPIRED", "WITHDRAWN")
"""EXPIRED: its time ran out and the execution went on; WITHDRAWN: it was taken away, or is switched off."""

ACTIONS = ("OPENED", "CLAIMED", "RELEASED", "REASSIGNED", "COMPLETED", "EXPIRED", "WITHDRAWN")
"""What can be done with a task."""

MAX_NAME = 256
"""Characters in the name of a person, a role or a group."""

MAX_CANDIDATES = 50
"""Roles, and likewise groups, that a task may be given to."""


@dataclass(frozen=True, slots=True)
class HumanTask:
    """The record of a human task as readers see it."""

    execution_id: str
    step_id: str
    visit: int
    template_id: str
    version_id: str
    title: str
    assignee: str  # empty: nobody by name
    roles: list[str]
    groups: list[str]
    priority: str
    status: str
    claimed_by: str  # empty: nobody
    claim_time: datetime | None
    due_time: datetime | None  # None: it is never due
    completed_by: str  # empty: not completed, or by a call that named nobody
    revision: int
    position: str  # sorts the tasks of a workspace by the time they opened
    create_time: datetime
    update_time: datetime
    end_time: datetime | None  # None: it is still to be done
    plan_digest: str  # of its execution, as the next three
    execution_name: str
    correlation_id: str
    subject: tuple[str, str]  # type and id, both empty when it has none

    @property
    def id(self) -> str:
        """The task's name: that of its step run."""
        return f"{self.execution_id}/{self.step_id}/{self.visit}"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done with a task, by whom, and when."""

    action: str
    actor: str  # empty: nobody in particular
    detail: str  # for REASSIGNED the new assignee
    note: str
    time: datetime
    number: int = 0  # counts the actions on a task: 1, 2, 3 and so on; 0 before it is written down
