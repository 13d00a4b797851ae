"""Something that happened outside, or to an execution."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.domain import event_pattern, fields
from service.domain.errors import Invalid
from service.domain.json_text import Json, canonical

MAX_PAYLOAD = 256 * 1024
"""Bytes of an event's payload."""

MAX_METADATA = 16 * 1024
"""Bytes of an event's metadata."""

DEFAULT_LIFE = timedelta(days=7)
"""How long an event is kept when its publisher does not say."""

MAX_LIFE = timedelta(days=90)
"""How long an event may be kept."""

MAX_DEPTH = 10
"""How many triggers may lead from one event to the next; an event that lies deeper starts nothing."""

MAX_ID = 128
"""Characters of an event's id."""


@dataclass(frozen=True, slots=True)
class Event:
    """The record of an event; `source`, `payload` and `metadata` are JSON text."""

    workspace: str
    event_id: str
    name: str
    version: str
    source: str  # {type, id, name}
    event_time: datetime
    payload: str
    metadata: str
    digest: str
    depth: int
    publish_time: datetime
    expire_time: datetime

    @classmethod
    def published(
        cls,
        *,
        workspace: str,
        event_id: str,
        name: str,
        version: str,
        source: dict[str, str],
        event_time: datetime | None,
        payload: tuple[str, Json],
        metadata: tuple[str, Json],
        life: timedelta | None,
        now: datetime,
    ) -> Event:
        """Read what a caller publishes; `payload` and `metadata` are text and value. Raises Invalid.

        No `event_time` means now; it is then no part of what tells the event from another.
        """
        for field, value in (("payload_json", payload[1]), ("metadata_json", metadata[1])):
            if not isinstance(value, dict):
                raise Invalid("INVALID_JSON", f"{field} must be a JSON object", field=field)
        content = {
            "name": event_pattern.foreign_name("name", name),
            "version": fields.text("version", version, at_most=64),
            "source": {part: fields.text(f"source.{part}", value, at_most=256) for part, value in source.items()},
            "time": event_time.isoformat() if event_time else None,
            "payload": payload[1],
            "metadata": metadata[1],
        }
        return cls(
            workspace=workspace,
            event_id=id_of(event_id),
            name=name,
            version=version,
            source=canonical(content["source"]),
            event_time=event_time or now,
            payload=payload[0],
            metadata=metadata[0],
            digest=hashlib.sha256(canonical(content).encode()).hexdigest(),
            depth=0,
            publish_time=now,
            expire_time=now + _life(life),
        )

    def seen(self) -> dict[str, Json]:
        """Give the event as expressions and executions see it."""
        return {
            "eventId": self.event_id,
            "pattern": self.name,
            "version": self.version,
            "source": json.loads(self.source),
            "timestamp": self.event_time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "payload": json.loads(self.payload),
            "metadata": json.loads(self.metadata),
        }


def id_of(value: str) -> str:
    """Refuse what cannot be the id of an event that a caller publishes; raises Invalid."""
    fields.required("event_id", value)
    fields.text("event_id", value, at_most=MAX_ID)
    if not value.isprintable():
        raise fields.refuse("event_id", value, "it must not contain control characters")
    if value.startswith(f"{event_pattern.OWN}/"):
        raise fields.refuse("event_id", value, "Heddle's own events have ids that begin so")
    return value


def _life(asked: timedelta | None) -> timedelta:
    if asked is None:
        return DEFAULT_LIFE
    if not timedelta(seconds=1) <= asked <= MAX_LIFE:
        rule = f"it must be 1 second to {MAX_LIFE.days} days"
        raise Invalid(
            "INVALID_FIELD", f"time_to_live is {asked.total_seconds():g} seconds: {rule}", field="time_to_live"
        )
    return asked
