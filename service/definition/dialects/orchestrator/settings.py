"""Properties that are written in other words in the native definition: conditions, inputs, retries, durations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.definition.conditions import translating
from service.definition.conditions.roots import Scope
from service.definition.conditions.translating import Refusal
from service.definition.dialects.orchestrator.draft import Origin
from service.definition.dialects.orchestrator.parts import Notes, Part
from service.definition.durations import seconds
from service.domain.json_text import Json

Settings = dict[str, Json]
Fields = dict[str, Origin]


def condition(part: Part, name: str, scope: Scope) -> str | None:
    """Translate a condition; None if there is none, or none that can be read."""
    source = part.text(name)
    if source is None:
        return None
    try:
        return translating.condition(source, scope)
    except Refusal as refusal:
        part.notes.refused(part.at(name), refusal)
        return None


def asked(source: str) -> Json:
    """Write an expression as the native dialect has it where it stands alone."""
    return {"type": "jsonata", "src": source}


def filled(part: Part, name: str, scope: Scope) -> Json:
    """Translate a value in whose texts `${…}` may stand; a text alone is an expression."""
    value = part.value(name)
    if isinstance(value, str) and "${" not in value:
        return _lone(part, name, value, scope)
    return translating.filled(value, scope, _reporter(part.notes, part.at(name)))


def texts(part: Part, name: str, scope: Scope) -> Json:
    """Translate texts in which `${…}` may stand."""
    return translating.filled(part.value(name), scope, _reporter(part.notes, part.at(name)))


def mapped(part: Part, name: str, scope: Scope) -> Settings | None:
    """Translate a mapping, whose texts are expressions."""
    found = part.part(name)
    if found is None:
        return None
    mapping = translating.mapped(found.data, scope, _reporter(part.notes, found.pointer))
    return mapping if isinstance(mapping, dict) else None


def duration(part: Part, name: str, scope: Scope | None = None) -> Json:
    """Read a duration: milliseconds or ISO 8601, and with a scope `${…}`; None if there is none."""
    value = part.value(name)
    if isinstance(value, str) and "${" in value and scope is not None:
        return translating.filled(value, scope, _reporter(part.notes, part.at(name)))
    if value is None:
        return None
    try:
        seconds(value)
    except ValueError as error:
        part.notes.add("DURATIONS_VALID", str(error), part.at(name))
        return None
    return value


def retry(step: Part) -> tuple[Settings, Fields]:
    """Read when a failed attempt is made again, in any of the three ways in which it is written."""
    policy = step.part("retryPolicy")
    if policy is None:
        return {}, {}
    policy.look_over([name for name, _, _ in _RETRY] + ["strategy"], "a retryPolicy")
    found: Settings = {}
    origins = {"retry": Origin(policy.pointer)}
    for name, native, change in _RETRY:
        if policy.has(name) and (value := change(policy.value(name))) is not None:
            found.setdefault(native, value)
            origins[f"retry/{native}"] = Origin(policy.at(name), is_same=native.endswith("Errors"))
    strategy = policy.value("strategy")
    if isinstance(strategy, str) and strategy.lower() in ("fixed", "constant"):
        found["backoffMultiplier"] = 1
    elif strategy is not None and not (isinstance(strategy, str) and strategy.lower() == "exponential"):
        policy.shape("strategy", '"exponential" or "fixed"')
    return {"retry": found}, origins


def _more(value: Any) -> Json:
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else value


def _same(value: Json) -> Json:
    return value


_RETRY: tuple[tuple[str, str, Callable[[Json], Json]], ...] = (
    ("maxAttempts", "maxAttempts", _same),
    ("maxRetries", "maxAttempts", _more),
    ("initialInterval", "initialInterval", _same),
    ("delay", "initialInterval", _same),
    ("retryInterval", "initialInterval", _same),
    ("backoffMultiplier", "backoffMultiplier", _same),
    ("maxInterval", "maxInterval", _same),
    ("maxRetryInterval", "maxInterval", _same),
    ("retryableErrors", "retryableErrors", _same),
    ("nonRetryableErrors", "nonRetryableErrors", _same),
)
"""How a retry policy is written, in what the native dialect calls it, and what becomes of the value."""


def _lone(part: Part, name: str, source: str, scope: Scope) -> Json:
    try:
        return f"{{% {translating.expression(source, scope)} %}}"
    except Refusal as refusal:
        part.notes.refused(part.at(name), refusal)
        return None


def _reporter(notes: Notes, pointer: str) -> Callable[[str, Refusal], None]:
    return lambda below, refusal: notes.refused(pointer + below, refusal)
