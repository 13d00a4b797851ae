"""Which events a definition listens to: in its steps, to start executions, and to cancel them."""

from __future__ import annotations

import re

from service.definition.conditions import roots
from service.definition.conditions.roots import Scope
from service.definition.conditions.translating import Refusal, payload_path
from service.definition.dialects.orchestrator import settings
from service.definition.dialects.orchestrator.draft import Draft, Origin
from service.definition.dialects.orchestrator.outline import incomplete
from service.definition.dialects.orchestrator.parts import Part
from service.definition.dialects.orchestrator.settings import Fields, Settings
from service.domain.json_text import Json

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_TRIGGER = (
    "eventPattern", "eventCondition", "inputMapping", "correlationKey", "priority", "enabled", "description", "name",
    "triggerType", "type", "id", "reason", "shouldCompensate",
)  # fmt: skip
_CANCELLATION = ("eventPattern", "eventCondition", "reason", "shouldCompensate", "description", "name", "id")


def event_wait(part: Part) -> tuple[Settings, Fields]:
    """Translate what an EVENT_WAIT waits for, and how long."""
    if not part.has("eventPattern"):
        incomplete(part, "an EVENT_WAIT", "eventPattern", "payment.received")
    found, origins = _pattern(part, roots.EVENT)
    timeout = part.part("eventTimeout")
    if timeout is not None:
        timeout.look_over(("duration", "timeoutHandlerStepId"), "an eventTimeout")
        if not timeout.has("duration"):
            incomplete(timeout, "an eventTimeout", "duration", "P3D")
    where, name = (part, "timeout") if timeout is None else (timeout, "duration")
    for native, place, written, scope in (
        ("timeout", where, name, roots.STEP),
        ("lookBack", part, "lookBack", None),
    ):
        if (limit := settings.duration(place, written, scope)) is not None:
            found[native] = limit
            origins[native] = Origin(place.at(written))
    if (mapping := part.part("eventPayloadMapping")) is not None:
        found["payloadMapping"] = _payload_mapping(mapping)
        origins["payloadMapping"] = Origin(mapping.pointer, is_same=True)
    return found, origins


def triggers(top: Part, draft: Draft) -> None:
    """Translate the events that start executions, and those that cancel them."""
    for name, known, scope, read in (
        ("triggers", _TRIGGER, roots.TRIGGER, _trigger),
        ("cancellationTriggers", _CANCELLATION, roots.EVENT, _cancel),
    ):
        written: list[Json] = []
        for part in top.parts(name):
            part.look_over(known, "a trigger")
            if not part.has("eventPattern"):
                incomplete(part, "a trigger", "eventPattern", "order.cancelled")
            found, origins = _pattern(part, scope)
            more = read(part)
            if more is not None:
                place = f"{name}/{len(written)}"
                draft.origin(place, part.pointer, is_same=True)
                for field, origin in origins.items():
                    draft.origin(f"{place}/{field}", origin.pointer)
                written.append(found | more)
        if written:
            draft.top(name, written, top.at(name))


def _pattern(part: Part, scope: Scope) -> tuple[Settings, Fields]:
    found: Settings = {}
    origins: Fields = {}
    if part.has("eventPattern") and (pattern := part.text("eventPattern")) is not None:
        found["pattern"] = pattern
        origins["pattern"] = Origin(part.at("eventPattern"))
    if (asked := settings.condition(part, "eventCondition", scope)) is not None:
        found["condition"] = settings.asked(asked)
        origins["condition"] = Origin(part.at("eventCondition"))
    return found, origins


def _payload_mapping(mapping: Part) -> Settings:
    """Translate which variables take which parts of the payload."""
    found: Settings = {}
    for name in mapping.data:
        path = mapping.text(name)
        if not _VARIABLE.fullmatch(name):
            message = f'"{name[:60]}" cannot be the name of a variable: write letters, digits and _'
            mapping.notes.add("DOCUMENT_SHAPE", message, mapping.at(name))
        elif path is not None:
            try:
                found[name] = roots.relative_path(payload_path(path))
            except Refusal as refusal:
                mapping.notes.refused(mapping.at(name), refusal)
    return found


def _cancel(part: Part) -> Settings:
    found: Settings = {}
    if part.has("reason") and (reason := part.text("reason")) is not None:
        found["reason"] = reason
    if (compensates := part.flag("shouldCompensate")) is not None:
        found["shouldCompensate"] = compensates
    return found


def _trigger(part: Part) -> Settings | None:
    """Translate a trigger that starts executions, or cancels them; None if it is another."""
    name = part.first("triggerType", "type")
    kind = part.text(name) if name is not None else None
    if name is not None and kind is not None and kind.upper() not in ("START", "CANCEL", "EVENT"):
        message = f"triggers of type {kind[:60]} are not written in a definition: create the trigger beside it"
        part.notes.add("NOT_TRANSLATED", message, part.at(name))
        return None
    found: Settings = {}
    if kind is not None and kind.upper() == "CANCEL":
        found = {"action": "CANCEL", **_cancel(part)}
    elif part.has("inputMapping"):
        found["inputMapping"] = settings.mapped(part, "inputMapping", roots.TRIGGER) or {}
    if part.has("correlationKey") and part.text("correlationKey") is not None:
        found["correlationKey"] = settings.filled(part, "correlationKey", roots.TRIGGER)
    if (enabled := part.flag("enabled")) is not None:
        found["enabled"] = enabled
    return found | {name: part.value(name) for name in ("priority", "name", "description") if part.has(name)}
