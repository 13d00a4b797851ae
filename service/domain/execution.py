"""One run of one version, and what it takes to hand it to Temporal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "FAILED_TO_START"})
"""Statuses that nothing leaves."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The record of an execution as readers see it; `input`, `output` and `error` are JSON text."""

    workspace: str
    id: str
    request_id: str
    request_digest: str
    name: str
    template_id: str
    version_id: str
    plan_digest: str
    status: str
    phase: str
    input: str
    output: str | None  # None: it has not completed
    error: str | None  # None: it has not failed
    parent_id: str | None  # None: nobody's child
    root_id: str
    correlation_id: str
    subject_type: str
    subject_id: str
    entity_type: str
    entity_id: str
    last_number: int
    revision: int
    create_time: datetime
    start_time: datetime | None  # None: Temporal has not taken it over
    end_time: datetime | None  # None: it has not ended
    update_time: datetime
    launch_after: datetime | None  # None: it needs no launching
    launch_attempts: int
    launch_error: str | None  # None: the last attempt, if any, did not fail

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more can happen to it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Launch:
    """An execution to be handed to Temporal, with the engine's state (JSON) that it begins from."""

    workspace: str
    execution_id: str
    plan_digest: str
    state: str
