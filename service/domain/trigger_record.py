"""What came of something that was to start an execution without naming what to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OUTCOMES = ["STARTED", "REFUSED", "CANCELLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecord:
    """The record of one start, of one cancellation by a trigger, or of one refusal.

    What is not known, or does not apply, is empty.
    """

    workspace: str
    id: str  # of the execution that was started, or would have been
    source: str  # LINK or EVENT
    source_id: str = ""  # of the link or the trigger
    entity_type: str = ""
    entity_id: str = ""
    request_id: str
    outcome: str
    reason: str = ""
    message: str = ""
    template_id: str = ""
    version_id: str = ""
    create_time: datetime
    event_id: str = ""
    cancelled: int = 0  # executions that were to be cancelled

    @property
    def execution_id(self) -> str:
        """The execution that was started; empty when none was."""
        return self.id if self.outcome == "STARTED" else ""
