"""What the engine asks of the world, each for one step run named by `key` (see `state.key`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.definition.plan import Json

OWN_QUEUE = ""
"""The task queue of tasks that Heddle's own worker performs."""


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
class FetchData:
    """Fetch data from the step's sources: for each of these items, or where there are none for the step as a whole.

    `engine.steps.sub_workflow.calls` says what to ask for.
    """

    key: str
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StartChildren:
    """Start a child execution for each of these items; `engine.steps.sub_workflow.orders` says which."""

    key: str
    round: int
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CollectOutputs:
    """Give the outputs of the children of a step run, in the order of their items, of which there are so many."""

    key: str
    round: int
    items: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give up whatever was asked for this step run; its result is no longer wanted."""

    key: str


Command = RunTask | SetTimer | FetchData | StartChildren | CollectOutputs | Withdraw
