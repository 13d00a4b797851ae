"""What the engine is told: each says that something happened to an execution.

Observations travel to the workflow as JSON (`encode`, `decode`), so their fields are plain values and every new field
has a default. `request` is {id, method, digest} of the call behind an observation; it goes into the first entry that
comes of it, so that the ledger and the memory of requests are written as one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
class StepCompleted:
    """Somebody outside completed a step: the named visit, or with visit 0 the oldest open one."""

    step_id: str
    visit: int = 0
    output: Json = None
    outcome: str = ""
    request: Json = None


@dataclass(frozen=True, slots=True)
class StepUpdated:
    """Somebody outside moved a step run to another status: the named visit, or with visit 0 the oldest open one."""

    step_id: str
    status: str
    visit: int = 0
    request: Json = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody outside cancelled the execution."""

    reason: str = ""
    request: Json = None


Observation = Started | Proceeded | TaskCompleted | TaskFailed | TimerFired | StepCompleted | StepUpdated | Cancelled

_BY_NAME: dict[str, type[Any]] = {kind.__name__: kind for kind in (StepCompleted, StepUpdated, Cancelled)}


def encode(observation: StepCompleted | StepUpdated | Cancelled) -> dict[str, Json]:
    """Write an observation that callers may send as a JSON object."""
    return {"kind": type(observation).__name__, **asdict(observation)}


def decode(document: dict[str, Json]) -> Observation:
    """Read what `encode` wrote."""
    fields = dict(document)
    observation: Observation = _BY_NAME[fields.pop("kind")](**fields)
    return observation
