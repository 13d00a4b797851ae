"""One event for one wait of an execution, or for a trigger that cancels one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.execution import Execution


@dataclass(frozen=True, slots=True)
class Delivery:
    """The record of a delivery."""

    workspace: str
    event_id: str
    execution_id: str
    step_id: str  # empty: a wait of the execution as a whole
    visit: int  # 0: no wait, but a trigger that cancels the execution
    status: str  # PENDING, CONSUMED, REJECTED
    reason: str  # a name of `ErrorReason`; why it was rejected, or could not be brought yet
    message: str
    trigger_id: str
    attempts: int
    create_time: datetime
    update_time: datetime
    is_keyed: bool = False  # the event has the value that the wait goes by, so its condition is most likely true

    def update_id(self, execution: Execution) -> str:
        """Name the observation that brings it, so that it is taken in once."""
        place = f"{self.step_id}/{self.visit}" + (f"/{execution.retries}" if execution.retries else "")
        return f"event/{self.event_id}/{place}"
