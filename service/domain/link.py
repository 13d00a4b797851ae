"""Says which template runs for an entity of the caller's own world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import fields
from service.domain.etag import Edited


@dataclass(frozen=True, slots=True)
class Link(Edited):
    """The record of a link."""

    noun: ClassVar[str] = "link"

    workspace: str
    id: str
    entity_type: str
    entity_id: str
    template_id: str
    revision: int
    create_time: datetime
    update_time: datetime

    @classmethod
    def created(
        cls, *, workspace: str, id: str, entity_type: str, entity_id: str, template_id: str, now: datetime
    ) -> Link:
        """Link an entity to a template."""
        return cls(
            workspace=workspace,
            id=id,
            entity_type=fields.entity_type("entity.type", entity_type),
            entity_id=fields.text("entity.id", entity_id, at_least=1, at_most=256),
            template_id=template_id,
            revision=1,
            create_time=now,
            update_time=now,
        )

    def move(self, template_id: str, now: datetime) -> Link:
        """Let another template run for the entity."""
        return replace(self, template_id=template_id, revision=self.revision + 1, update_time=now)
