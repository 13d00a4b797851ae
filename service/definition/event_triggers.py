"""The expressions of a trigger: whichever language they are written in, JSONata over `__event__` is evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.definition.conditions import roots, translating
from service.definition.expressions import (
    UNDEFINED,
    ExpressionError,
    check,
    evaluate,
    render,
    template_expressions,
    truth,
)
from service.definition.steps.written import source_of
from service.domain.errors import Invalid
from service.domain.json_text import Json
from service.domain.trigger import DEFAULT_PRIORITY

LANGUAGES = ("jsonata", "orchestrator")

CORRELATION = "__event__.metadata.correlationId"
"""What executions are found by when a trigger does not say."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A trigger's expressions in JSONata; None for what it does not have."""

    condition: str | None
    correlation_key: str
    mapping: Json  # a template, None without

    def holds(self, event: Json, now: datetime) -> bool:
        """Tell whether the condition is true for an event; raises ExpressionError."""
        return self.condition is None or truth(evaluate(self.condition, {"__event__": event}, now).value)

    def correlation_id(self, event: Json, now: datetime) -> str:
        """Work out the correlation id, empty when there is none; raises ExpressionError, ValueError for no scalar."""
        value = evaluate(self.correlation_key, {"__event__": event}, now).value
        if value is UNDEFINED or value is None:
            return ""
        if isinstance(value, bool | list | dict):
            raise ValueError("the correlation key is neither a text nor a number")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if len(text := str(value)) > MAX_CORRELATION:
            raise ValueError(f"the correlation key has {len(text)} characters, more than {MAX_CORRELATION}")
        return text

    def input(self, event: Any, now: datetime) -> dict[str, Json]:
        """Work out what the execution begins with; raises ExpressionError, ValueError for what is no object."""
        if self.mapping is None:
            return {"eventId": event["eventId"], "eventPattern": event["pattern"], "eventPayload": event["payload"]}
        found = render(self.mapping, {"__event__": event}, now)
        if not isinstance(found, dict):
            raise ValueError("the input mapping does not give an object")
        return found


MAX_CORRELATION = 256
"""Characters of a correlation id."""


def compiled(language: str, condition: str, correlation_key: str, mapping: Json) -> Compiled:
    """Compile a trigger's expressions; empty texts and a mapping that is None are left out. Raises Invalid."""
    if language == "jsonata":
        return _checked(Compiled(condition or None, correlation_key or CORRELATION, mapping))
    translated = Compiled(
        _translated("condition", condition, translating.condition) if condition else None,
        _translated("correlation_key", correlation_key, translating.expression) if correlation_key else CORRELATION,
        None if mapping is None else _mapping(mapping),
    )
    return _checked(translated)


@dataclass(frozen=True, slots=True)
class Written:
    """A trigger as a sound definition has it; `mapping` is JSON text, empty without one."""

    action: str
    pattern: str
    condition: str
    mapping: str
    correlation_key: str
    priority: int
    enabled: bool
    reason: str
    compensates: bool
    name: str
    description: str


def written(definition: Json) -> list[Written]:
    """List the triggers that a sound definition in the native dialect has."""
    return [_written(one) for one in definition.get("triggers", ())]


def _written(one: dict[str, Any]) -> Written:
    mapping = one.get("inputMapping")
    return Written(
        action=one.get("action", "START"),
        pattern=one["pattern"],
        condition=source_of(one.get("condition")) or "",
        mapping="" if mapping is None else json.dumps(mapping, ensure_ascii=False),
        correlation_key=source_of(one.get("correlationKey")) or "",
        priority=one.get("priority", DEFAULT_PRIORITY),
        enabled=one.get("enabled", True),
        reason=one.get("reason", ""),
        compensates=one.get("shouldCompensate", True),
        name=one.get("name", ""),
        description=one.get("description", ""),
    )


def _translated(field: str, source: str, translate: Callable[[str, roots.Scope], str]) -> str:
    try:
        return translate(source, roots.TRIGGER)
    except translating.Refusal as refusal:
        raise Invalid("INVALID_FIELD", f"{field}: {refusal}", field=field) from refusal


def _mapping(mapping: Json) -> Json:
    problems: list[str] = []

    def report(pointer: str, refusal: translating.Refusal) -> None:
        problems.append(f"at {pointer or '/'}: {refusal}")

    translated = translating.mapped(mapping, roots.TRIGGER, report)
    if problems:
        field = "input_mapping_json"
        raise Invalid("INVALID_FIELD", f"{field}: {problems[0]}", field=field, violations=problems)
    return translated


def _checked(trigger: Compiled) -> Compiled:
    named = [("condition", trigger.condition or "true"), ("correlation_key", trigger.correlation_key)]
    for field, source in named:
        if problem := check(source):
            raise Invalid("INVALID_FIELD", f"{field}: {problem.message}", field=field)
    for pointer, source in template_expressions(trigger.mapping):
        if problem := check(source):
            field = "input_mapping_json"
            raise Invalid("INVALID_FIELD", f"{field}: at {pointer or '/'}: {problem.message}", field=field)
    return trigger


__all__ = ["CORRELATION", "LANGUAGES", "Compiled", "ExpressionError", "Written", "compiled", "written"]
