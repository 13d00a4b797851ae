"""PublishEvent: an event is stored once, however often it is published, before anybody looks for what it concerns."""

from __future__ import annotations

import json

from service.definition.schemas import violations
from service.domain.errors import AlreadyExists, Invalid
from service.domain.event import Event
from service.domain.fields import shown
from storage import event_definitions, events, requests
from storage.database import Violation, connection

LEASE = 10.0
"""Seconds in which whoever stored an event must have found what it concerns; after that any server may."""


def publish(event: Event, request: tuple[str, str]) -> tuple[Event, bool]:
    """Store an event with the request behind it, id and digest; gives it, and whether it is new.

    Raises Invalid for a payload that breaks the definition of such events, AlreadyExists when the event's id is that
    of another one, or the request's that of another request.
    """
    with connection():
        refusal = _refusal(event)
        try:
            new = events.add(event, request, LEASE) if refusal is None else None
        except Violation as violation:
            if violation.constraint != "requests_pkey":
                raise
            new = None
        if new is not None:
            return new, True
        earlier = requests.find(event.workspace, request[0])
        if earlier is not None and (earlier.method, earlier.digest) != ("PublishEvent", request[1]):
            raise AlreadyExists(
                "REQUEST_ID_REUSED",
                f"request_id {shown(request[0])} was used before for another request",
                request_id=request[0],
            )
        stored = events.find(event.workspace, event.event_id)
    if stored is None:
        raise refusal or events.missing(event.event_id)
    if stored.digest != event.digest:
        raise AlreadyExists(
            "EVENT_ID_REUSED",
            f"event {shown(event.event_id)} was published before with another content",
            event_id=event.event_id,
        )
    return stored, False


def _refusal(event: Event) -> Invalid | None:
    """Say why the definition of its name refuses an event that was not published before; None when it does not."""
    definition = event_definitions.by_name(event.workspace, event.name)
    if definition is None or not definition.payload_schema:
        return None
    if found := violations(json.loads(definition.payload_schema), json.loads(event.payload)):
        first = found[0]
        return Invalid(
            "EVENT_PAYLOAD_INVALID",
            f"the payload does not match the definition of {event.name} events: {first.message} "
            f"(at {first.pointer or '/'})",
            field="payload_json",
            violations=[f"{one.pointer or '/'}: {one.message}" for one in found],
            name=event.name,
        )
    return None
