"""Whose work a human step is, how urgent it is, and by when it is to be done."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps.kind import Settings
from service.definition.steps.written import expression
from service.domain.human_task import MAX_CANDIDATES, MAX_NAME, PRIORITIES
from service.domain.json_text import Json

_ONE: Json = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_SOME: Json = {
    "type": ["array", "string"],
    "maxItems": MAX_CANDIDATES,
    "items": {"type": "string", "minLength": 1, "maxLength": 4_096},
    "examples": [["legal", "{% __context__.region %}"], "{% __context__.roles %}"],
}
_SPAN: Json = {"type": ["number", "string"], "examples": ["P3D", 86_400_000, "{% __context__.days * 86400000 %}"]}
PROPERTIES: dict[str, Json] = {
    "assignment": {
        "type": "object",
        "description": "Whose work it is; each value may be {% jsonata %}.",
        "properties": {
            "assignee": _ONE | {"maxLength": 4_096, "description": "The person who is to do it."},
            "roles": _SOME | {"description": "Roles, any holder of which may do it."},
            "groups": _SOME | {"description": "Groups, any member of which may do it."},
        },
    },
    "priority": {
        "type": "string",
        "default": "MEDIUM",
        "examples": [*PRIORITIES, "{% __context__.amount > 1000 ? 'HIGH' : 'LOW' %}"],
        "description": f"How urgent it is: {', '.join(PRIORITIES)}, or {{% jsonata %}}.",
    },
    "dueIn": _SPAN
    | {
        "description": "How long after it opens it is due: milliseconds, ISO 8601 such as P3D, or {% jsonata %}. It "
        "stays open all the same, unless a transition on TIMEOUT takes it away."
    },
    "escalation": {
        "type": "object",
        "description": "When the transition on ESCALATED is taken while the step stays open.",
        "properties": {"after": _SPAN | {"description": "How long after it opens; when it is due, when absent."}},
    },
}
"""JSON Schemas of what every human step may say."""

TEMPLATES = ("assignment", "priority", "dueIn", "escalation")
"""The properties in which {% jsonata %} may stand."""


def compiled(step: Settings) -> Settings:
    """Make the settings of the plan: `assignment` and `priority` as written, durations in seconds or as written."""
    settings: Settings = {}
    assignment = step.get("assignment") or {}
    if kept := {name: value for name, value in assignment.items() if value not in (None, "", [])}:
        settings["assignment"] = kept
    if step.get("priority") not in (None, "MEDIUM"):
        settings["priority"] = step["priority"]
    after = (step.get("escalation") or {}).get("after")
    for name, value in (("dueIn", step.get("dueIn")), ("escalateIn", after)):
        if value is not None:
            settings[name] = value if expression(value) else seconds(value)
    return settings


def findings(step: Settings, pointer: str) -> Iterator[Finding]:
    """Check what is fixed; what is computed is checked when the step opens."""
    priority = step.get("priority")
    if isinstance(priority, str) and expression(priority) is None and priority not in PRIORITIES:
        rule = f'priority is "{priority[:60]}": it must be one of {", ".join(PRIORITIES)}, or {{% an expression %}}'
        yield finding("HUMAN_TASK_VALID", rule, f"{pointer}/priority")
    assignment = step.get("assignment")
    if isinstance(assignment, dict):
        yield from _candidates(assignment, f"{pointer}/assignment")
    escalation = step.get("escalation")
    after = escalation.get("after") if isinstance(escalation, dict) else None
    yield from _span(step.get("dueIn"), "dueIn", f"{pointer}/dueIn")
    yield from _span(after, "escalation/after", f"{pointer}/escalation/after")
    if isinstance(escalation, dict) and after is None and step.get("dueIn") is None:
        message = "nothing says when to escalate: give dueIn, or escalation.after"
        yield finding("HUMAN_TASK_VALID", message, f"{pointer}/escalation")


def _candidates(assignment: Settings, pointer: str) -> Iterator[Finding]:
    for name in ("assignee", "roles", "groups"):
        value = assignment.get(name)
        if name != "assignee" and isinstance(value, str) and expression(value) is None:
            message = f"{name} is one text: write a list, or {{% an expression that gives one %}}"
            yield finding("HUMAN_TASK_VALID", message, f"{pointer}/{name}")
            continue
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            place = f"{pointer}/{name}/{number}" if isinstance(value, list) else f"{pointer}/{name}"
            if isinstance(one, str) and expression(one) is None and len(one) > MAX_NAME:
                yield finding("HUMAN_TASK_VALID", f"it has {len(one):,} characters, at most {MAX_NAME} may be", place)


def _span(value: Json, name: str, pointer: str) -> Iterator[Finding]:
    if value is None or isinstance(value, bool) or not isinstance(value, str | int | float) or expression(value):
        return
    try:
        if seconds(value) == 0:
            yield finding("DURATIONS_VALID", f"{name} must be longer than nothing", pointer)
    except ValueError as error:
        yield finding("DURATIONS_VALID", str(error), pointer)
