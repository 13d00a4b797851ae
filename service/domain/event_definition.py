"""What is agreed about the events of a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import event_pattern, fields
from service.domain.etag import Edited
from service.domain.template import MAX_DESCRIPTION

MAX_SCHEMA = 64 * 1024
"""Bytes of a payload's schema."""


@dataclass(frozen=True, slots=True)
class EventDefinition(Edited):
    """The record of an event definition; `payload_schema` is a JSON schema, empty for any payload."""

    noun: ClassVar[str] = "event definition"

    workspace: str
    id: str
    name: str
    description: str
    payload_schema: str
    revision: int
    create_time: datetime
    update_time: datetime

    @classmethod
    def created(
        cls, *, workspace: str, id: str, name: str, description: str, payload_schema: str, now: datetime
    ) -> EventDefinition:
        """Define the events of a name; the schema has been checked."""
        return cls(
            workspace=workspace,
            id=id,
            name=event_pattern.foreign_name("name", name),
            description=fields.text("description", description, at_most=MAX_DESCRIPTION),
            payload_schema=payload_schema,
            revision=1,
            create_time=now,
            update_time=now,
        )

    def edit(self, *, description: str | None, payload_schema: str | None, now: datetime) -> EventDefinition:
        """Change what is agreed for events from now on; None leaves a part as it is."""
        return replace(
            self,
            description=self.description
            if description is None
            else fields.text("description", description, at_most=MAX_DESCRIPTION),
            payload_schema=self.payload_schema if payload_schema is None else payload_schema,
            revision=self.revision + 1,
            update_time=now,
        )
