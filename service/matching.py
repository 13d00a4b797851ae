"""Whom an event concerns: the waits for it, found by an index, and the triggers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from service.definition.expressions import UNDEFINED, ExpressionError, evaluate
from service.domain import event_key, event_pattern
from service.domain.delivery import Delivery
from service.domain.event import Event
from service.domain.json_text import Json
from service.domain.trigger import Trigger
from storage import deliveries, triggers, waits
from storage.waits import Wait


def match(events: Sequence[Event], lease: float) -> list[tuple[Event, list[Delivery], list[Trigger]]]:
    """Pair events with the waits for them, and find the triggers for them.

    Gives for each event that concerns anybody the new deliveries that the caller is to bring within `lease` seconds,
    and the triggers in the order in which they are asked.
    """
    found = []
    for group in _by_workspace(events).values():
        patterns = {event.name: event_pattern.candidates(event.name) for event in group}
        wanted = sorted({pattern for candidates in patterns.values() for pattern in candidates})
        keys = waits.key_paths(group[0].workspace, wanted)
        asked = triggers.for_patterns(group[0].workspace, wanted)
        for event in group:
            mine = set(patterns[event.name])
            made = _pair(event, [key for key in keys if key[0] in mine], lease)
            for_it = [trigger for trigger in asked if trigger.pattern in mine]
            if made or for_it:
                found.append((event, made, for_it))
    return found


def may_want(wait: Wait, event: Event) -> bool:
    """Tell whether an event has the value that a wait goes by."""
    return not wait.key_path or _key(event.seen(), wait.key_path, event.publish_time) == wait.key_hash


def _by_workspace(events: Sequence[Event]) -> dict[str, list[Event]]:
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        groups[event.workspace].append(event)
    return groups


def _pair(event: Event, keys: Sequence[tuple[str, str]], lease: float) -> list[Delivery]:
    made: list[Delivery] = []
    if not keys:
        return made
    seen = event.seen()
    for pattern, path in keys:
        hash = _key(seen, path, event.publish_time) if path else ""
        if hash is not None:
            found = deliveries.match(event, (pattern, path, hash), lease)
            made += [replace(delivery, is_keyed=True) for delivery in found] if path else found
    return made


def _key(seen: Json, path: str, now: datetime) -> str | None:
    """Give the hash of what an event has at a path, as the conditions of waits read it; None when it has nothing."""
    try:
        value = evaluate(f"__event__.{path}", {"__event__": seen}, now).value
    except ExpressionError:
        return None
    return None if value is UNDEFINED else event_key.digest(value)
