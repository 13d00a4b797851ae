"""What readers see, as a fold of the ledger: the changes that a batch of entries makes to the stored rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from service.definition.plan import Json
from service.engine.entries import Entry

MISSING: Any = object()
"""A value that these entries say nothing about."""


@dataclass(slots=True)
class StepRunChange:
    """What a batch of entries says of one step run; times are those of the entries."""

    step_id: str
    visit: int
    create_number: int
    create_time: str
    update_time: str
    attempt: int
    status: str
    input: Json = MISSING
    output: Json = MISSING
    outcome: str = ""
    error: Json = MISSING
    end_time: str | None = None
    children: int | None = None  # how many there will be


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that a batch of entries opens, or changes: of a step run, or with no step_id of a cancellation trigger."""

    step_id: str
    visit: int
    pattern: str
    key_path: str
    key_value: str  # JSON; empty with an empty path: any event of the pattern may fit
    look_back: float | None  # seconds; None: to the start of the execution


@dataclass(slots=True)
class TaskChange:
    """What a batch of entries says of the human task that a step run is; its times are those of the step run."""

    status: str
    settled: dict[str, Json] | None = None  # see `entries.py`, with its title; None: it was open before
    completed_by: str = ""
    again: bool = False  # it may have been open before


@dataclass(slots=True)
class ExecutionChange:
    """What a batch of entries says of the execution: set when it ends, or when its compensation does."""

    status: str = ""
    output: Json = MISSING
    error: Json = MISSING
    end_time: str | None = None
    cancellation: Json = MISSING  # {reason, source, by?, event?, compensates?, time}
    compensation: Json = MISSING  # fields that replace those that stand there: {status, plan, skipped, failed}


@dataclass(slots=True)
class Projection:
    """The rows that a batch of entries changes, and the requests that caused it."""

    execution: ExecutionChange = field(default_factory=ExecutionChange)
    step_runs: dict[tuple[str, int], StepRunChange] = field(default_factory=dict)
    tasks: dict[tuple[str, int], TaskChange] = field(default_factory=dict)
    variables: dict[str, Json] = field(default_factory=dict)  # those that were set
    requests: list[dict[str, str]] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)  # step runs whose children are to be cancelled
    consumed: list[tuple[str, str, int]] = field(default_factory=list)  # events taken in: (event, step, visit)
    waits: dict[tuple[str, int], Wait | None] = field(default_factory=dict)  # by step and visit; None: it is closed


def project(entries: Iterable[Entry]) -> Projection:
    """Fold a batch of consecutive entries."""
    projection = Projection()
    for entry in entries:
        if entry.data.get("request"):
            projection.requests.append(entry.data["request"])
        if entry.data.get("cancels"):
            projection.cancelled.append((entry.step_id, entry.visit))
        if entry.data.get("event"):
            place = entry.visit or entry.data.get("trigger", 0)
            projection.consumed.append((entry.data["event"], entry.step_id, place))
        _project_waits(projection, entry)
        _project_task(projection, entry)
        projection.variables |= entry.data.get("variables", {})
        if entry.visit:
            _STEP[entry.type](_step_run(projection, entry), entry)
        elif entry.type in _END:
            projection.execution = _END[entry.type](entry)
        elif entry.type == "EXECUTION_COMPENSATED":
            compensation = projection.execution.compensation
            before = {} if compensation is MISSING else compensation
            projection.execution.compensation = {**before, **entry.data}
    return projection


def _project_waits(projection: Projection, entry: Entry) -> None:
    if "wait" in entry.data:
        projection.waits[entry.step_id, entry.visit] = _wait(entry.step_id, entry.visit, entry.data["wait"])
    elif entry.data.get("unwaits"):
        projection.waits[entry.step_id, entry.visit] = None
    for place, wait in enumerate(entry.data.get("waits", ()), start=1):
        projection.waits["", place] = _wait("", place, wait)


def _wait(step_id: str, visit: int, wait: dict[str, Json]) -> Wait:
    return Wait(
        step_id, visit, wait["pattern"], wait.get("keyPath", ""), wait.get("keyValue", ""), wait.get("lookBack")
    )


def _project_task(projection: Projection, entry: Entry) -> None:
    name = (entry.step_id, entry.visit)
    data = entry.data
    if task := data.get("task"):
        title = (data.get("input") or {}).get("title")
        settled = {**task, "title": title} if title else task
        projection.tasks[name] = TaskChange("OPEN", settled, again=entry.type != "STEP_STARTED")
    elif status := data.get("ends_task"):
        change = projection.tasks.setdefault(name, TaskChange(status))
        change.status = status
        change.completed_by = data.get("completed_by", "")


def _step_run(projection: Projection, entry: Entry) -> StepRunChange:
    name = (entry.step_id, entry.visit)
    change = projection.step_runs.get(name)
    if change is None:
        change = StepRunChange(
            entry.step_id, entry.visit, entry.number, entry.time, entry.time, entry.attempt, "RUNNING"
        )
        projection.step_runs[name] = change
    change.update_time = entry.time
    change.attempt = entry.attempt
    return change


def _started(change: StepRunChange, entry: Entry) -> None:
    change.status = entry.data["status"]
    change.input = entry.data.get("input", MISSING)
    change.children = entry.data.get("children", {}).get("items", change.children)


def _completed(change: StepRunChange, entry: Entry) -> None:
    change.output = entry.data["output"]
    change.outcome = entry.data.get("outcome", "")
    _closed("COMPLETED")(change, entry)


def _failed(change: StepRunChange, entry: Entry) -> None:
    change.error = entry.data["error"]
    _closed("FAILED")(change, entry)


def _closed(status: str) -> Callable[[StepRunChange, Entry], None]:
    def close(change: StepRunChange, entry: Entry) -> None:
        change.status = status
        change.end_time = entry.time

    return close


def _attempt_failed(change: StepRunChange, entry: Entry) -> None:
    change.status = "RUNNING"
    change.error = entry.data["error"]


def _attempt_started(change: StepRunChange, entry: Entry) -> None:
    change.status = "RUNNING"


def _children_planned(change: StepRunChange, entry: Entry) -> None:
    change.input = entry.data.get("input", MISSING)
    change.children = entry.data["items"]


def _waits_on(change: StepRunChange, entry: Entry) -> None:
    change.status = "WAITING"


def _went_on(change: StepRunChange, entry: Entry) -> None:
    """Change nothing but the time."""


_STEP: dict[str, Callable[[StepRunChange, Entry], None]] = {
    "STEP_STARTED": _started,
    "STEP_UPDATED": _started,
    "STEP_OVERDUE": _waits_on,
    "STEP_ESCALATED": _waits_on,
    "STEP_COMPLETED": _completed,
    "STEP_FAILED": _failed,
    "STEP_SKIPPED": _closed("SKIPPED"),
    "STEP_CANCELLED": _closed("CANCELLED"),
    "ATTEMPT_FAILED": _attempt_failed,
    "ATTEMPT_STARTED": _attempt_started,
    "WAIT_CHANGED": _waits_on,
    "DATA_FETCHED": _went_on,
    "CHILDREN_PLANNED": _children_planned,
    "CHILDREN_STARTED": _went_on,
    "CHILD_ENDED": _went_on,
}

ENDS = frozenset({"EXECUTION_COMPLETED", "EXECUTION_FAILED", "EXECUTION_CANCELLED"})
"""Types of the entries that end an execution."""

_WHY = ("reason", "source", "by", "event", "compensates")

_END: dict[str, Callable[[Entry], ExecutionChange]] = {
    "EXECUTION_COMPLETED": lambda entry: ExecutionChange("COMPLETED", output=entry.data["output"], end_time=entry.time),
    "EXECUTION_FAILED": lambda entry: ExecutionChange(
        "FAILED", error=entry.data["error"], end_time=entry.time, compensation=_compensation(entry)
    ),
    "EXECUTION_CANCELLED": lambda entry: ExecutionChange(
        "CANCELLED",
        end_time=entry.time,
        cancellation={name: entry.data[name] for name in _WHY if name in entry.data} | {"time": entry.time},
        compensation=_compensation(entry),
    ),
}


def _compensation(entry: Entry) -> Json:
    """What there is to compensate; MISSING where the definition says nothing of it."""
    if "compensation" not in entry.data:
        return MISSING
    skipped = {"skipped": entry.data["skipped"]} if "skipped" in entry.data else {}
    return {"status": "IN_PROGRESS", "plan": entry.data["compensation"], **skipped}
