"""A step that a worker outside performs."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.written import DURATION
from service.domain.json_text import Json

DEFAULT_TASK_QUEUE = "heddle-tasks"

_ERRORS: Json = {"type": "array", "items": {"type": "string", "minLength": 1}}
_RETRY: Json = {
    "type": "object",
    "description": "When a failed attempt is made again.",
    "properties": {
        "maxAttempts": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 3,
            "description": "How many attempts there are in all.",
        },
        "initialInterval": DURATION | {"default": "PT1S", "description": "The pause after the first attempt."},
        "backoffMultiplier": {
            "type": "number",
            "minimum": 1,
            "maximum": 100,
            "default": 2,
            "description": "How much longer each pause is than the one before.",
        },
        "maxInterval": DURATION | {"default": "PT1M", "description": "The longest pause."},
        "retryableErrors": _ERRORS | {"description": "Error codes or categories to try again; all when absent."},
        "nonRetryableErrors": _ERRORS | {"description": "Error codes or categories never to try again."},
    },
}
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
    "retry": _RETRY,
    "timeout": DURATION | {"default": "PT5M", "description": "How long one attempt may take."},
    "heartbeat": DURATION | {"description": "How long a worker may be silent. When absent it need not speak."},
}
_DURATIONS = ("timeout", "heartbeat", "retry/initialInterval", "retry/maxInterval")
_POSITIVE = ("timeout", "heartbeat")


def _compile(step: Settings) -> Settings:
    retry = step.get("retry", {})
    settings: Settings = {
        "task": step["task"],
        "taskQueue": step.get("taskQueue", DEFAULT_TASK_QUEUE),
        "timeout": seconds(step.get("timeout", "PT5M")),
        "retry": {
            "maxAttempts": int(retry.get("maxAttempts", 3)),
            "initialInterval": seconds(retry.get("initialInterval", "PT1S")),
            "backoffMultiplier": retry.get("backoffMultiplier", 2),
            "maxInterval": seconds(retry.get("maxInterval", "PT1M")),
            "nonRetryableErrors": retry.get("nonRetryableErrors", []),
        },
    }
    if "retryableErrors" in retry:
        settings["retry"]["retryableErrors"] = retry["retryableErrors"]
    if "heartbeat" in step:
        settings["heartbeat"] = seconds(step["heartbeat"])
    if step.get("input") is not None:
        settings["input"] = step["input"]
    return settings


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    """Check the durations; one of a wrong type is the schema's business."""
    for place in _DURATIONS:
        value = _at(step, place)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            continue
        try:
            if seconds(value) == 0 and place in _POSITIVE:
                yield finding("DURATIONS_VALID", f"{place} must be longer than nothing", f"{pointer}/{place}")
        except ValueError as error:
            yield finding("DURATIONS_VALID", str(error), f"{pointer}/{place}")


def _at(value: Json, path: str) -> Json:
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


TASK = Kind(
    name="task",
    properties=_PROPERTIES,
    required=("task",),
    templates=("input",),
    compile=_compile,
    check=_check,
)
