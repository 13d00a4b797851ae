"""A step that waits for an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.definition import event_keys, expressions
from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.written import (
    DURATION,
    EVERYWHERE,
    Expression,
    expression,
    source_of,
    unreadable_durations,
)
from service.domain.json_text import Json

PATTERN: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(\*|[A-Za-z0-9_-]+)(\.(\*|[A-Za-z0-9_-]+)){0,7}$",
    "description": "Names of events: segments with dots between them. A * stands for one segment, and at the end for "
    "one or more.",
    "examples": ["payment.received", "finance.*.approved", "booking.*"],
}
CONDITION: Json = {
    "type": ["string", "object"],
    "properties": {"type": {"const": "jsonata"}, "src": {"type": "string"}},
    "required": ["src"],
    "description": "A JSONata expression that is asked of the execution and `__event__`; the event is taken if true.",
}

_PROPERTIES: dict[str, Json] = {
    "pattern": PATTERN,
    "condition": CONDITION,
    "timeout": {
        "type": ["number", "string", "object"],
        "properties": {"type": {"const": "jsonata"}, "src": {"type": "string"}},
        "required": ["src"],
        "description": "How long to wait; then the transition `on: TIMEOUT` is taken, without one the step fails.",
        "examples": ["P3D"],
    },
    "payloadMapping": {
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$"},
        "description": "Variables to set, each from a path in the event's payload; they are the output, too. Without "
        "it the payload is the output.",
        "examples": [{"paymentId": "id"}],
    },
    "lookBack": DURATION
    | {
        "description": "From how long before the step begins events still count; PT0S: none. When absent those since "
        "the execution started.",
    },
}


def listening(written: Settings) -> Settings:
    """Make the part of the plan that says for which events somebody waits."""
    settings: Settings = {"pattern": written["pattern"]}
    if (condition := source_of(written.get("condition"))) is not None:
        settings["condition"] = condition
        if (key := event_keys.find(condition)) is not None:
            settings |= {"keyPath": key.path, "keyExpression": key.expression}
            if key.moves:
                settings["keyMoves"] = True
    return settings


def _compile(step: Settings) -> Settings:
    settings = listening(step)
    if (timeout := expression(step.get("timeout"))) is not None:
        settings["timeoutExpression"] = timeout[1]
    elif "timeout" in step:
        settings["timeout"] = seconds(step["timeout"])
    if "payloadMapping" in step:
        settings["mapping"] = step["payloadMapping"]
    if "lookBack" in step:
        settings["lookBack"] = seconds(step["lookBack"])
    return settings


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    timeout = ("timeout",) if expression(step.get("timeout")) is None else ()
    yield from unreadable_durations(step, pointer, positive=timeout, others=("lookBack",))
    mapping = step.get("payloadMapping")
    for name, path in mapping.items() if isinstance(mapping, dict) else ():
        if isinstance(path, str) and (problem := expressions.check(path)) is not None:
            message = f"{path!r} is no path in the payload: {problem.message}"
            yield finding("EXPRESSIONS_PARSE", message, f"{pointer}/payloadMapping/{name}")


def conditions(written: Settings, pointer: str) -> Iterable[Expression]:
    """List the expression in the condition of something that waits for an event."""
    return _alone(written, "condition", pointer, (*EVERYWHERE, "__event__"))


def trigger_expressions(written: Settings, pointer: str) -> Iterator[Expression]:
    """List the expressions of a trigger, which know the event alone."""
    for name in ("condition", "correlationKey"):
        yield from _alone(written, name, pointer, ("__event__",))
    for place, source in expressions.template_expressions(written.get("inputMapping"), f"{pointer}/inputMapping"):
        yield Expression(place, source, ("__event__",))


def _alone(written: Settings, name: str, pointer: str, names: tuple[str, ...]) -> Iterator[Expression]:
    value = written.get(name)
    if isinstance(value, str):
        yield Expression(f"{pointer}/{name}", source_of(value) or "", names)
    elif (found := expression(value)) is not None:
        yield Expression(f"{pointer}/{name}{found[0]}", found[1], names)


EVENT_WAIT = Kind(
    name="event.wait",
    properties=_PROPERTIES,
    required=("pattern",),
    templates=("timeout",),
    compile=_compile,
    check=_check,
    expressions=conditions,
)
