"""A step that a worker outside performs, or whoever the task definition that it names says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps import retrying
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.retrying import RETRY
from service.definition.steps.written import DURATION, unreadable_durations
from service.domain.json_text import Json

DEFAULT_TASK_QUEUE = "heddle-tasks"

_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200}
_PROPERTIES: dict[str, Json] = {
    "task": _NAME | {"description": "The Temporal activity type that a worker has registered."},
    "taskDefinition": {
        "type": ["string", "object"],
        "minLength": 1,
        "description": "The key of a task definition of the workspace, in place of `task`.",
        "examples": ["charge_card", {"key": "charge_card", "version": 3}],
        "properties": {
            "key": _NAME | {"description": "The key of the task definition."},
            "version": {"type": "integer", "minimum": 1, "description": "Which version of it; the newest when absent."},
            "optional": {
                "type": "boolean",
                "default": False,
                "description": "Whether the key is the name of an activity where the workspace has no such definition.",
            },
        },
        "required": ["key"],
    },
    "taskQueue": _NAME
    | {"default": DEFAULT_TASK_QUEUE, "description": "The Temporal task queue that the worker listens to."},
    "input": {
        "description": "What the task gets. A string that is wholly {% jsonata %} becomes the expression's value. "
        "When absent the task gets the execution's input.",
    },
    "retry": RETRY,
    "timeout": DURATION | {"default": "PT5M", "description": "How long one attempt may take."},
    "heartbeat": DURATION | {"description": "How long a worker may be silent. When absent it need not speak."},
}


@dataclass(frozen=True, slots=True)
class Named:
    """The task definition that a step names."""

    key: str
    version: int = 0  # 0: the newest
    is_optional: bool = False


def definition_named(step: Settings) -> Named | None:
    """Read which task definition a step names; None if it names none, or nobody can tell which."""
    written = step.get("taskDefinition")
    if isinstance(written, str) and written:
        return Named(written)
    if not isinstance(written, dict) or not isinstance(key := written.get("key"), str) or not key:
        return None
    version = written.get("version", 0)
    # 3.0 is an integer to a schema, and what no integer column holds is the version of nothing.
    is_number = isinstance(version, int | float) and not isinstance(version, bool) and 0 <= version < 2**31
    return Named(key, int(version), written.get("optional") is True) if is_number else None


def _compile(step: Settings) -> Settings:
    named = definition_named(step)
    settings: Settings = {
        "task": step["task"] if named is None else named.key,
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
    if ("task" in step) == ("taskDefinition" in step):
        yield finding("DOCUMENT_SHAPE", "a task has exactly one of task and taskDefinition", pointer)
    yield from unreadable_durations(step, pointer, positive=("timeout", "heartbeat"), others=retrying.DURATIONS)


TASK = Kind(
    name="task",
    properties=_PROPERTIES,
    templates=("input",),
    compile=_compile,
    check=_check,
)
