"""The history: the ledger in the words in which people speak of a workflow, WORKFLOW_STARTED, STEP_COMPLETED and so on.

It is a view, entry by entry: one entry gives no event, one, or several. What only the engine cares about (tokens that
wait at a join, data that was fetched, the start and the end as steps, steps that are marked as internal) gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from service.definition.plan import Json, Plan
from service.engine.entries import Entry


class Role(Enum):
    """What a step of the ledger is to somebody who reads the history."""

    STEP = ""
    COMPENSATION = "COMPENSATION_"
    NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell; `number`, `time`, `step_id`, `visit` and `attempt` are those of the entry that it came of."""

    type: str
    number: int
    time: str
    step_id: str
    visit: int
    attempt: int
    details: dict[str, Json] = field(default_factory=dict)


def events(entry: Entry, role: Role) -> list[Event]:
    """Tell what an entry says, in order; `role` is that of the entry's step, STEP where it has none."""
    return [
        Event(type, entry.number, entry.time, entry.step_id, entry.visit, entry.attempt, details)
        for type, details in _TELL[entry.type](entry.data, role)
    ]


def role_of(plan: Plan, step_id: str) -> Role:
    """Say what a step is to a reader."""
    if not step_id:
        return Role.STEP
    if step_id in plan.compensation:
        return Role.COMPENSATION
    step = plan.step[step_id]
    return Role.NOTHING if step.is_internal or step.type in ("start", "end") else Role.STEP


Data = dict[str, Json]
Told = Iterator[tuple[str, Data]]

_PARKED = {"PENDING": "STEP_PARKED", "DISABLED": "STEP_DISABLED"}


def _nothing(data: Data, role: Role) -> Told:
    return iter(())


def _began(data: Data, role: Role) -> Told:
    yield "WORKFLOW_STARTED", _kept(data, "input")


def _opened(data: Data, role: Role) -> Told:
    """Tell of a step run that goes on after this entry; one that waits says so, and for what."""
    if role is Role.NOTHING:
        return
    if parked := _PARKED.get(data["status"]):
        yield parked, {}
        return
    yield _named(role, "STEP_STARTED"), _kept(data, "input")
    if data["status"] == "WAITING":
        yield "STEP_WAITING", _kept(data, "due", "wait", "task")


def _completed(data: Data, role: Role) -> Told:
    yield from _came(data, role)
    if event := data.get("event"):
        yield "EVENT_RECEIVED", {"eventId": event}
    if role is not Role.NOTHING:
        yield _named(role, "STEP_COMPLETED"), _kept(data, "output", "outcome", completed_by="completedBy")


def _failed(data: Data, role: Role) -> Told:
    yield from _came(data, role)
    yield _named(role, "STEP_FAILED"), _kept(data, "error")


def _came(data: Data, role: Role) -> Told:
    """Tell that a step run began, where the entry with which it ended is its only one."""
    if "via" in data and role is not Role.NOTHING:
        yield _named(role, "STEP_STARTED"), {}


def _stopped(data: Data, role: Role) -> Told:
    """Tell how the execution came to its end, and what is done about what it did."""
    yield "WORKFLOW_CANCELLED", _kept(data, "reason", "source", by="requestedBy", event="eventId")
    yield from _compensating(data)


def _broke(data: Data, role: Role) -> Told:
    yield "WORKFLOW_FAILED", _kept(data, "error")
    yield from _compensating(data)


def _compensating(data: Data) -> Told:
    if "compensation" in data:
        yield "COMPENSATION_STARTED", {"plan": data["compensation"]}


def _as(type: str, *kept: str, **renamed: str) -> Callable[[Data, Role], Told]:
    """Tell one event, with these of the entry's data, where it has them, some under another name."""

    def tell(data: Data, role: Role) -> Told:
        if role is not Role.NOTHING:
            yield _named(role, type), _kept(data, *kept, **renamed)

    return tell


def _kept(data: Data, *names: str, **renamed: str) -> Data:
    wanted = {name: name for name in names} | renamed
    return {told: data[name] for name, told in wanted.items() if data.get(name) not in (None, "")}


def _named(role: Role, type: str) -> str:
    return f"{role.value}{type}"


_TELL: dict[str, Callable[[Data, Role], Told]] = {
    "EXECUTION_STARTED": _began,
    "TOKEN_ARRIVED": _nothing,
    "STEP_STARTED": _opened,
    "STEP_UPDATED": _opened,
    "STEP_OVERDUE": _as("STEP_OVERDUE"),
    "STEP_ESCALATED": _as("STEP_ESCALATED"),
    "STEP_COMPLETED": _completed,
    "STEP_FAILED": _failed,
    "STEP_SKIPPED": _as("STEP_SKIPPED", "reason"),
    "STEP_CANCELLED": _as("STEP_CANCELLED", "reason"),
    "ATTEMPT_FAILED": _as("STEP_ATTEMPT_FAILED", "error", due="nextAttemptTime"),
    "ATTEMPT_STARTED": _as("STEP_RETRIED"),
    "DATA_FETCHED": _nothing,
    "CHILDREN_PLANNED": _nothing,
    "CHILDREN_STARTED": _as("CHILDREN_STARTED", "items"),
    "CHILD_ENDED": _as("CHILD_ENDED", "item", "id", "status", "error"),
    "EXECUTION_COMPLETED": _as("WORKFLOW_COMPLETED", "output"),
    "EXECUTION_FAILED": _broke,
    "EXECUTION_CANCELLED": _stopped,
    "EXECUTION_RETRIED": _as("WORKFLOW_RETRIED"),
    "WAIT_CHANGED": _nothing,
    "VARIABLES_CHANGED": _as("VARIABLES_CHANGED", "variables"),
    "EXECUTION_COMPENSATED": _as("COMPENSATION_COMPLETED", "status", "failed"),
}
