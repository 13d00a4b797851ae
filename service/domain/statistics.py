"""How the executions of a template or version fare, as figures gathered some time ago."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW = timedelta(days=30)
"""How far back durations and failures reach; `storage/migrations/0008_statistics.sql` gathers them so."""


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many executions there are with a status and a phase."""

    status: str
    phase: str
    number: int


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the executions took that COMPLETED within the window, in seconds from creation to end."""

    number: int
    median: float
    p95: float
    longest: float


@dataclass(frozen=True, slots=True)
class Failures:
    """How many visits of a step FAILED within the window with an error code, which may be empty."""

    step_id: str
    code: str
    number: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of a template or of one of its versions, as they were at `refresh_time`."""

    refresh_time: datetime
    age: timedelta
    counts: list[StatusCount] = field(default_factory=list)
    durations: Durations | None = None  # None: none completed within the window
    failures: list[Failures] = field(default_factory=list)
