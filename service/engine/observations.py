"""What the engine is told: each says that something happened to an execution.

Observations travel to the workflow as JSON (`encode`, `decode`), so their fields are plain values and every new field
has a default. `request` is {id, method, digest} of the call behind an observation; it goes into the first entry that
comes of it, so that the ledger and the memory of requests are written as one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from service.definition.plan import Json


@dataclass(frozen=True, slots=True)
class Started:
    """The execution begins with this input."""

    input: Json


@dataclass(frozen=True, slots=True)
class Proceeded:
    """Nothing new happened; there are moves left to make."""


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """A task's worker returned. `key` names the step run, see `state.key`."""

    key: str
    attempt: int
    result: Json


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """One attempt of a task failed. `error` is {code, message, category, retriable, details}."""

    key: str
    attempt: int
    error: dict[str, Json]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The instant that a step run waited for has come."""

    key: str


@dataclass(frozen=True, slots=True)
class DataFetched:
    """What the sources of a step gave: {alias, value} each, with item where it is for that item alone.

    `error` is {code, message} when one of them gave nothing for good.
    """

    key: str
    fetched: list[dict[str, Json]] = field(default_factory=list)
    error: Json = None


@dataclass(frozen=True, slots=True)
class ChildrenStarted:
    """Children of a step run were started: these are under way, and `ended` lists those that have ended already."""

    key: str
    items: list[int] = field(default_factory=list)
    ended: list[dict[str, Json]] = field(default_factory=list)  # fields of ChildEnded, without key and round


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child execution of a step run ended. `size` is that of its output in bytes of JSON, `error` {code, message}."""

    key: str
    round: int
    item: int
    id: str = ""  # the child's; empty when it could not even be created
    status: str = ""
    size: int = 0
    error: Json = None
    request: Json = None


@dataclass(frozen=True, slots=True)
class OutputsCollected:
    """The outputs of the children of a step run in the order of their items, null where one gave none."""

    key: str
    outputs: list[Json]


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """Somebody outside completed a step: the named visit, or with visit 0 the oldest open one."""

    step_id: str
    visit: int = 0
    output: Json = None
    outcome: str = ""
    request: Json = None
    by: str = ""  # the person, where one is named


@dataclass(frozen=True, slots=True)
class StepUpdated:
    """Somebody outside moved a step run to another status: the named visit, or with visit 0 the oldest open one."""

    step_id: str
    status: str
    visit: int = 0
    request: Json = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody outside cancelled the execution. `source` is USER, EVENT or SYSTEM."""

    reason: str = ""
    request: Json = None
    source: str = "USER"
    by: str = ""  # who, as far as known
    event: str = ""  # the id of the event behind it
    compensates: bool = True  # what was completed is compensated, where the definition says how


@dataclass(frozen=True, slots=True)
class EventDelivered:
    """An event has come that a wait may have waited for: that of a step run, or of a cancellation trigger.

    A trigger has no step_id; its visit is its place among the triggers, from 1. `event` is {eventId, pattern, version,
    source, timestamp, payload, metadata}.
    """

    step_id: str
    visit: int
    event: dict[str, Json]
    request: Json = None


@dataclass(frozen=True, slots=True)
class VariablesChanged:
    """Somebody outside set variables, when `expected`, if given, is still the number of the last ledger entry."""

    variables: dict[str, Json]
    expected: int = 0
    request: Json = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The workflow of the execution ended without telling why: terminated, timed out, or cut off from its records."""

    message: str
    code: str = "TEMPORAL_TERMINATED"


@dataclass(frozen=True, slots=True)
class Retried:
    """Somebody outside wants a failed execution to go on from where it failed."""

    request: Json = None


FromOutside = StepCompleted | StepUpdated | Cancelled | ChildEnded | EventDelivered | VariablesChanged
"""Observations that reach a running workflow as messages."""

Observation = (
    Started
    | Proceeded
    | TaskCompleted
    | TaskFailed
    | TimerFired
    | DataFetched
    | ChildrenStarted
    | OutputsCollected
    | Lost
    | Retried
    | FromOutside
)

_BY_NAME: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (StepCompleted, StepUpdated, Cancelled, ChildEnded, EventDelivered, VariablesChanged)
}


def encode(observation: FromOutside) -> dict[str, Json]:
    """Write an observation as a JSON object."""
    return {"kind": type(observation).__name__, **asdict(observation)}


def decode(document: dict[str, Json]) -> Observation:
    """Read what `encode` wrote."""
    fields = dict(document)
    observation: Observation = _BY_NAME[fields.pop("kind")](**fields)
    return observation
