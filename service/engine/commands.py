"""What the engine asks of the world, each for one step run named by `key` (see `state.key`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.definition.plan import Json


@dataclass(frozen=True, slots=True)
class RunTask:
    """Run one attempt of a task on a task queue, and tell how it ended. Times are in seconds."""

    key: str
    attempt: int
    task: str
    task_queue: str
    input: Json
    timeout: float
    heartbeat: float | None = None  # None: the worker need not report that it is alive


@dataclass(frozen=True, slots=True)
class FetchCall:
    """Ask a data source, before the step goes on, and tell what it gave. Times are in seconds."""

    key: str
    alias: str  # the name of the result in `__datasources__`
    type: str  # whose data it is, such as COMMENDA_LOGICAL_BACKEND; the settings say where that is served
    id: str  # which data: the `dataSourceID`
    params: Json
    timeout: float  # of one attempt
    retry: dict[str, Json]  # {maxAttempts, initialInterval, backoffMultiplier, maxInterval}, as a task's
    item: int | None = None  # the place of the batch's item that it is asked for, from 0; None: for the whole step


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Tell when an instant has come."""

    key: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give up whatever was asked for this step run; its result is no longer wanted."""

    key: str


Command = RunTask | SetTimer | Withdraw
