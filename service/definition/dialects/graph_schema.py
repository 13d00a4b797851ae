"""The JSON Schema of the dialect `graph`, put together from what all steps share and what each step type adds.

`graph.schema.json` beside this module is the same for editors; `python -m service.definition.dialects.graph_schema`
writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from service.definition.steps.events import CONDITION, PATTERN
from service.definition.steps.kind import Kind
from service.definition.steps.kinds import COMPENSATORS, KINDS, alias, kind_of
from service.definition.steps.written import EXPRESSION
from service.domain.json_text import Json

_STATUS: Json = {"enum": ["NotStarted", "InProgress", "Completed", "Disabled", "Failed"]}
_UI: Json = {"description": "Kept for whoever draws the definition, and never looked at."}
_TEXT: Json = {"type": "string"}
_STEP: dict[str, Json] = {
    "id": {"type": "string", "description": "Unique among the steps; expressions and transitions name it."},
    "type": {"type": "string", "examples": list(KINDS), "description": "What the step does."},
    "name": _TEXT | {"description": "What people read; the id when absent."},
    "description": _TEXT,
    "outputSchema": {
        "type": ["object", "boolean"],
        "description": "A JSON Schema that the output of the step must match.",
    },
    "group": {
        "type": "object",
        "description": "The step group that the step belongs to.",
        "properties": {"groupId": _TEXT, "order": {"type": "number"}},
    },
    "activationPolicy": {
        "type": "object",
        "properties": {"defaultStatus": _STATUS},
        "description": "With which status the step begins, unless the transition says otherwise.",
    },
    "legacyServiceRequestTaskKey": _TEXT,
    "compensation": {
        "oneOf": [
            {"$ref": "#/$defs/compensation"},
            {"type": "array", "items": {"$ref": "#/$defs/compensation"}},
        ],
        "description": "What makes up for the step when the execution is cancelled after it has completed.",
    },
    "internal": {
        "type": "boolean",
        "default": False,
        "description": "Whether it only leads from one step to the next, so that histories leave it out.",
    },
    "label": _TEXT,
    "ui": _UI,
}
_COMPENSATION: dict[str, Json] = {
    "id": {"type": "string", "description": "Unique among steps and compensations; made of the step's when absent."},
    "type": {"enum": list(COMPENSATORS), "default": "task"},
    "name": _TEXT,
    "condition": CONDITION | {"description": "A JSONata expression that is asked when the execution is cancelled."},
}
_EXPRESSION_TEXT: Json = {
    "type": ["string", "object"],
    "properties": {"type": {"const": "jsonata"}, "src": {"type": "string"}},
    "required": ["src"],
}
_CANCELLATION_TRIGGER: Json = {
    "type": "object",
    "properties": {
        "pattern": PATTERN,
        "condition": CONDITION,
        "reason": {"type": "string", "maxLength": 1000, "description": "Why the execution is cancelled then."},
        "shouldCompensate": {"type": "boolean", "default": True},
        "description": _TEXT,
    },
    "required": ["pattern"],
}
_TRIGGER: Json = {
    "type": "object",
    "properties": {
        "action": {
            "enum": ["START", "CANCEL"],
            "default": "START",
            "description": "Whether it starts an execution, or cancels those with the correlation id.",
        },
        "pattern": PATTERN,
        "condition": CONDITION | {"description": "A JSONata expression that is asked of `__event__`."},
        "inputMapping": {
            "type": "object",
            "description": "What the execution begins with: values, or {% jsonata %} over `__event__`. When absent it "
            "is {eventId, eventPattern, eventPayload}.",
        },
        "correlationKey": _EXPRESSION_TEXT
        | {"description": "The correlation id; the event's metadata.correlationId when absent."},
        "priority": {
            "type": "integer",
            "minimum": -1_000_000,
            "maximum": 1_000_000,
            "default": 100,
            "description": "Those with a lower number are asked first.",
        },
        "enabled": {"type": "boolean", "default": True},
        "reason": {"type": "string", "maxLength": 1000, "description": "Why executions are cancelled then."},
        "shouldCompensate": {"type": "boolean", "default": True},
        "name": _TEXT,
        "description": _TEXT,
    },
    "required": ["pattern"],
}
_TRANSITION: dict[str, Json] = {
    "id": {"type": "string", "description": "Unique among the transitions."},
    "fromStepId": {"type": "string", "description": "The step that the transition leaves."},
    "toStepId": {"type": "string", "description": "The step that the transition enters."},
    "condition": EXPRESSION | {"description": "Taken if true; only after an exclusive or inclusive split."},
    "on": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_.-]{1,100}$",
        "description": "The outcome, error code or error category for which it is; ERROR: every error that nothing "
        "else catches. A step has at most one transition without it.",
        "examples": ["APPROVED", "OUT_OF_STOCK", "TIMEOUT", "ERROR"],
    },
    "input": {
        "type": "object",
        "description": "What the task behind it gets beyond its own input: values, or {% jsonata %}, which may read "
        "`__error__` and `__failed__.input`.",
    },
    "isDefault": {"type": "boolean", "description": "Taken when no condition of the split is true."},
    "onArrival": {
        "type": "object",
        "properties": {"status": _STATUS},
        "description": "With which status the next step begins.",
    },
    "label": _TEXT,
    "description": _TEXT,
    "ui": _UI,
}
_GROUP: dict[str, Json] = {
    "id": {"type": "string", "description": "Unique among the groups."},
    "name": _TEXT,
    "description": _TEXT,
    "stepIds": {"type": "array", "items": {"type": "string"}},
    "legacyServiceRequestTaskGroupKey": _TEXT,
    "ui": _UI,
}
_TOP: dict[str, Json] = {
    "$schema": _TEXT,
    "id": _TEXT,
    "name": {"type": "string", "description": "What people read."},
    "description": _TEXT,
    "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
    "stepTransitions": {"type": "array", "items": {"$ref": "#/$defs/transition"}},
    "stepGroups": {"type": "array", "items": {"$ref": "#/$defs/group"}},
    "inputSchema": {"type": ["object", "boolean"], "description": "A JSON Schema that the input must match."},
    "outputExpression": {
        "type": ["string", "object"],
        "properties": EXPRESSION["properties"],
        "required": EXPRESSION["required"],
        "description": "What the execution gives: {% jsonata %}, asked at the end. Nothing when absent.",
    },
    "triggers": {
        "type": "array",
        "maxItems": 100,
        "items": _TRIGGER,
        "description": "Events that start executions, or cancel them, while the version is the active one.",
    },
    "cancellationTriggers": {
        "type": "array",
        "maxItems": 20,
        "items": _CANCELLATION_TRIGGER,
        "description": "Events that cancel the execution.",
    },
    "compensateOnFailure": {
        "type": "boolean",
        "default": False,
        "description": "Whether compensations run when the execution fails, too.",
    },
    "legacyServiceRequestType": _TEXT,
    "ui": _UI,
}


def _settings(kind: Kind) -> Json:
    return {
        "if": {"properties": {"type": {"enum": [kind.name, alias(kind.name)]}}, "required": ["type"]},
        "then": {"properties": dict(kind.properties), "required": list(kind.required)},
    }


def _compensation() -> Json:
    """One that says no type is a task."""
    types = [KINDS[name] for name in COMPENSATORS]
    of_task = {"properties": dict(types[0].properties), "required": list(types[0].required)}
    others = [_settings(kind) for kind in types[1:]]
    untyped = {"properties": {"type": {"const": types[0].name}}}  # also when there is none
    return {"type": "object", "properties": _COMPENSATION, "allOf": [{"if": untyped, "then": of_task}, *others]}


SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Heddle workflow definition, dialect graph",
    "type": "object",
    "properties": _TOP,
    "required": ["steps", "stepTransitions"],
    "$defs": {
        "step": {
            "type": "object",
            "properties": _STEP,
            "required": ["id", "type"],
            "allOf": [_settings(kind) for kind in KINDS.values() if kind.properties],
        },
        "transition": {"type": "object", "properties": _TRANSITION, "required": ["id", "fromStepId", "toStepId"]},
        "group": {"type": "object", "properties": _GROUP, "required": ["id", "stepIds"]},
        "compensation": _compensation(),
    },
}
"""The whole schema; it says nothing of unknown properties, which are no errors."""


def text() -> str:
    """Write the schema as it stands in `graph.schema.json`."""
    return json.dumps(SCHEMA, indent=2, ensure_ascii=False) + "\n"


def unknown_properties(document: Mapping[str, Json]) -> Iterator[tuple[str, str, Iterable[str]]]:
    """List the properties that mean nothing where they stand: pointer, name, and the names that would.

    Of step types that do not run yet nothing is told, nor of names that begin with `x-` or `legacy`.
    """
    yield from _unknown(document, _TOP, "", more=("env", "secrets"))
    for place, schema, more in (
        ("steps", _STEP, ("onFailure",)),
        ("stepTransitions", _TRANSITION, ()),
        ("stepGroups", _GROUP, ()),
    ):
        listed = document.get(place)
        for number, part in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(part, dict):
                continue
            properties = schema
            if place == "steps":
                kind = kind_of(part["type"]) if isinstance(part.get("type"), str) else None
                if kind is None or not kind.is_supported:
                    continue
                properties = schema | dict(kind.properties)
            yield from _unknown(part, properties, f"/{place}/{number}", more)


def _unknown(
    value: Mapping[str, Json], properties: Mapping[str, Json], pointer: str, more: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, Iterable[str]]]:
    for name, part in value.items():
        place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        schema = properties.get(name)
        if schema is None:
            if name not in more and not name.startswith(("x-", "legacy")):
                yield place, name, properties.keys()
        else:
            yield from _unknown_within(part, schema, place)


def _unknown_within(part: Json, schema: Json, pointer: str) -> Iterator[tuple[str, str, Iterable[str]]]:
    if isinstance(part, dict) and "properties" in schema:
        yield from _unknown(part, schema["properties"], pointer)
    elif isinstance(part, list) and "items" in schema:
        for number, item in enumerate(part):
            yield from _unknown_within(item, schema["items"], f"{pointer}/{number}")


if __name__ == "__main__":
    Path(__file__).with_name("graph.schema.json").write_text(text(), encoding="utf-8")
