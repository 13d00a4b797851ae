"""One visit of one step by one execution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StepRun:
    """The record of a step run as readers see it; `input`, `output` and `error` are JSON text, None where absent."""

    execution_id: str
    step_id: str
    visit: int
    attempt: int
    status: str
    input: str | None
    output: str | None
    outcome: str | None
    error: str | None
    create_number: int
    create_time: datetime | None  # None: no token has reached the step
    update_time: datetime | None
    end_time: datetime | None
    children: int | None = None  # how many child executions it starts; None: none by its nature, or not known yet

    @property
    def id(self) -> str:
        """The step run's name, the same in every process; also a task's idempotency key."""
        return f"{self.execution_id}/{self.step_id}/{self.visit}"


@dataclass(frozen=True, slots=True)
class Standing:
    """That visits of a step stand at a status, and the newest of these."""

    step_id: str
    status: str
    visit: int


def parse_id(id: str) -> tuple[str, str, int] | None:
    """Split a step run's id into execution, step and visit; None when it is not of that form."""
    execution_id, _, rest = id.partition("/")
    step_id, _, visit = rest.rpartition("/")
    if not (execution_id and step_id and visit.isascii() and visit.isdecimal()):
        return None
    return execution_id, step_id, int(visit[:9])
