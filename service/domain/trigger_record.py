"""What came of something that was to start an execution without naming what to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OUTCOMES = ["STARTED", "REFUSED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecord:
    """The record of one start, or of one refusal; what is not known, or does not apply, is empty."""

    workspace: str
    id: str  # of the execution that was started, or would have been
    source: str  # LINK
    source_id: str = ""  # of the link
    entity_type: str
    entity_id: str
    request_id: str
    outcome: str
    reason: str = ""
    message: str = ""
    template_id: str = ""
    version_id: str = ""
    create_time: datetime

    @property
    def execution_id(self) -> str:
        """The execution that was started; empty when none was."""
        return self.id if self.outcome == "STARTED" else ""
