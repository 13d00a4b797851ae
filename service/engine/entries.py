"""The ledger: what happened to an execution, one numbered entry after another.

An entry carries all that is needed to rebuild the engine's state (`folding.py`), the rows that readers see
(`projecting.py`) and the reason of each decision. What `data` holds, by type:

| type | data |
|---|---|
| EXECUTION_STARTED | input; waits?: one for each cancellation trigger |
| TOKEN_ARRIVED | via: the transition on which a token now waits at a join |
| STEP_STARTED | via: transitions whose tokens it took; status; input?; due?; wait?; task?; children?: a `Family` |
| STEP_COMPLETED | output; outcome?; taken: transitions; decisions?; variables?; event?: id; completed_by?; via? |
| STEP_FAILED | error; taken?: transitions that catch it; via, when it took no time |
| STEP_UPDATED | status; input?; due?; wait?; task? |
| STEP_OVERDUE | due: when something is to happen next, or null |
| STEP_ESCALATED | due: likewise; taken: transitions, along which further tokens go |
| STEP_SKIPPED, STEP_CANCELLED | reason |
| ATTEMPT_FAILED | error; due: when the next attempt begins |
| ATTEMPT_STARTED | |
| WAIT_CHANGED | wait: what the open step run waits for from now on |
| VARIABLES_CHANGED | variables: those that were set |
| DATA_FETCHED | alias; value; item?: for which it was fetched |
| CHILDREN_PLANNED | items: how many; input: the items |
| CHILDREN_STARTED | items: those for which child executions were started |
| CHILD_ENDED | item; id and status of the child; size of its output; error? |
| EXECUTION_COMPLETED | output |
| EXECUTION_FAILED | error, with step_id; compensation?: see `state.Undoing.parts` |
| EXECUTION_CANCELLED | reason; source; compensates?: false, nor do children; by?; event?: id; compensation? |
| EXECUTION_COMPENSATED | status: COMPLETED or COMPLETED_WITH_ERRORS; failed: parts, with error and time? |
| EXECUTION_RETRIED | waits?: as when it started |

A step run to which the transitions that it came by gave some of its input begins with that as handed.
A step that fails on an event which it has taken also has the id of that as event. A cancellation by an event that the
definition waits for has trigger: its place among the triggers, from 1. What is completed and has compensations has
undoable: how many.

A wait is {pattern, keyPath?, keyValue?, lookBack?}: the events of a pattern, where there is a key only those that have
its value (as JSON) at its path, from so many seconds ago, or from the start of the execution.

A task is what a human step is to the person whose work it is: {title?, priority, assignee?, roles?, groups?, due?,
escalate?}, the last two instants; its title stands in the input where the step has words of its own.

A step run that took no time has one entry, with which it ends, and which has via.
An entry with which a step run begins that repeats one which ended without a result also has retries: the key of that.
An entry that ends or parks a step run whose child executions are under way has cancels: true; they are cancelled too.
One that ends or parks a step run that waits for an event has unwaits: true. The steps of compensations have no via.
One that ends or parks a step run that is a task has ends_task: COMPLETED, EXPIRED or WITHDRAWN.
The first entry that came of a caller's request also has request: {id, method, digest}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.definition.plan import Json

TYPES = (
    "EXECUTION_STARTED",
    "TOKEN_ARRIVED",
    "STEP_STARTED",
    "STEP_COMPLETED",
    "STEP_FAILED",
    "STEP_UPDATED",
    "STEP_OVERDUE",
    "STEP_ESCALATED",
    "STEP_SKIPPED",
    "STEP_CANCELLED",
    "ATTEMPT_FAILED",
    "ATTEMPT_STARTED",
    "WAIT_CHANGED",
    "VARIABLES_CHANGED",
    "DATA_FETCHED",
    "CHILDREN_PLANNED",
    "CHILDREN_STARTED",
    "CHILD_ENDED",
    "EXECUTION_COMPLETED",
    "EXECUTION_FAILED",
    "EXECUTION_CANCELLED",
    "EXECUTION_COMPENSATED",
    "EXECUTION_RETRIED",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; `time` is ISO 8601 in UTC, `visit` is 0 where no step run is meant."""

    number: int
    time: str
    type: str
    step_id: str = ""
    visit: int = 0
    attempt: int = 0
    data: dict[str, Json] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Json]:
        """Give the entry as a JSON object."""
        return {
            "number": self.number,
            "time": self.time,
            "type": self.type,
            "step_id": self.step_id,
            "visit": self.visit,
            "attempt": self.attempt,
            "data": self.data,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Entry:
        """Read what `to_dict` gave."""
        return cls(**document)
