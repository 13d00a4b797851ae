"""What is to be done in a task: which one, what it gets, and when it is tried again."""

from __future__ import annotations

from service.definition.conditions.roots import Scope
from service.definition.dialects.orchestrator import settings
from service.definition.dialects.orchestrator.draft import Origin
from service.definition.dialects.orchestrator.outline import incomplete
from service.definition.dialects.orchestrator.parts import Part
from service.definition.dialects.orchestrator.settings import Fields, Settings

PROPERTIES = ("taskId", "input", "retryPolicy", "timeout", "onFailure")
"""The properties of whatever performs a task."""


def task(part: Part, scope: Scope, *, is_optional: bool = True) -> tuple[Settings, Fields] | None:
    """Translate a task; None if it names none.

    `is_optional` lets a task that the workspace has no definition of be an activity of that name.
    """
    task_id = part.text("taskId")
    if task_id is None:
        if not part.has("taskId"):
            incomplete(part, "a TASK", "taskId", "charge_card")
        return None
    named = {"key": task_id} | ({"optional": True} if is_optional else {})
    found: Settings = {"taskDefinition": named}
    origins: Fields = {"taskDefinition": Origin(part.at("taskId"))}
    for more, places in (_input(part, scope), settings.retry(part)):
        found |= more
        origins |= places
    if (limit := settings.duration(part, "timeout")) is not None:
        found["timeout"] = limit
        origins["timeout"] = Origin(part.at("timeout"))
    return found, origins


def _input(part: Part, scope: Scope) -> tuple[Settings, Fields]:
    if not part.has("input"):
        return {}, {}
    return {"input": settings.filled(part, "input", scope)}, {"input": Origin(part.at("input"), is_same=True)}
