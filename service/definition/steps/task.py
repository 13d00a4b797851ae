"""A step that a worker outside performs."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition.durations import seconds
from service.definition.rules import Finding
from service.definition.steps import retrying
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.retrying import RETRY
from service.definition.steps.written import DURATION, unreadable_durations
from service.domain.json_text import Json

DEFAULT_TASK_QUEUE = "heddle-tasks"

_PROPERTIES: dict[str, Json] = {
    "task": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "The Temporal activity type that a worker has registered.",
    },
    "taskQueue": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "default": DEFAULT_TASK_QUEUE,
        "description": "The Temporal task queue that the worker listens to.",
    },
    "input": {
        "description": "What the task gets. A string that is wholly {% jsonata %} becomes the expression's value. "
        "When absent the task gets the execution's input.",
    },
    "retry": RETRY,
    "timeout": DURATION | {"default": "PT5M", "description": "How long one attempt may take."},
    "heartbeat": DURATION | {"description": "How long a worker may be silent. When absent it need not speak."},
}


def _compile(step: Settings) -> Settings:
    settings: Settings = {
        "task": step["task"],
        "taskQueue": step.get("taskQueue", DEFAULT_TASK_QUEUE),
        "timeout": seconds(step.get("timeout", "PT5M")),
        "retry": retrying.compiled(step.get("retry", {})),
    }
    if "heartbeat" in step:
        settings["heartbeat"] = seconds(step["heartbeat"])
    if step.get("input") is not None:
        settings["input"] = step["input"]
    return settings


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    yield from unreadable_durations(step, pointer, positive=("timeout", "heartbeat"), others=retrying.DURATIONS)


TASK = Kind(
    name="task",
    properties=_PROPERTIES,
    required=("task",),
    templates=("input",),
    compile=_compile,
    check=_check,
)
