"""What lets an event start executions of a template, or cancel them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import event_pattern, fields
from service.domain.errors import Invalid, WrongState
from service.domain.etag import Edited
from service.domain.template import MAX_DESCRIPTION

ACTIONS = ("START", "CANCEL")

MAX_EXPRESSION = 4_096
"""Characters of a condition or a correlation key."""

MAX_MAPPING = 64 * 1024
"""Bytes of an input mapping."""

PRIORITIES = 1_000_000
"""How far a priority may be from 0."""

DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Trigger(Edited):
    """The record of a trigger; expressions are as their author wrote them."""

    noun: ClassVar[str] = "trigger"

    workspace: str
    id: str
    template_id: str
    version_id: str | None  # None: no definition has it, a call made it
    name: str
    description: str
    action: str
    pattern: str
    condition: str  # empty: always true
    language: str  # of the expressions: jsonata or orchestrator
    input_mapping: str  # a JSON template; empty: what tells the event
    correlation_key: str  # empty: the event's metadata.correlationId
    priority: int  # lower first
    enabled: bool
    reason: str
    compensate: bool
    revision: int
    create_time: datetime
    update_time: datetime

    def checked(self) -> Trigger:
        """Refuse values that break a rule; expressions are checked by whoever evaluates them. Raises Invalid."""
        fields.text("name", self.name, at_most=fields.MAX_NAME)
        fields.text("description", self.description, at_most=MAX_DESCRIPTION)
        event_pattern.pattern("pattern", self.pattern)
        fields.text("reason", self.reason, at_most=1_024)
        if not -PRIORITIES <= self.priority <= PRIORITIES:
            rule = f"it must be {-PRIORITIES:,} to {PRIORITIES:,}"
            raise Invalid("INVALID_FIELD", f"priority is {self.priority}: {rule}", field="priority")
        if self.action == "CANCEL" and self.input_mapping:
            raise Invalid(
                "INVALID_FIELD", "input_mapping_json: a trigger that cancels takes none", field="input_mapping_json"
            )
        return self

    def edit(self, now: datetime, **changes: object) -> Trigger:
        """Change parts of it for the events to come; one of a definition can only be enabled and disabled."""
        if self.version_id is not None and set(changes) - {"enabled"}:
            self.require_own("change")
        edited = replace(self, revision=self.revision + 1, update_time=now, **changes)  # type: ignore[arg-type]
        return edited.checked()

    def require_own(self, verb: str) -> None:
        """Refuse to change or delete a trigger that is written in a definition."""
        if self.version_id is not None:
            raise WrongState(
                "TRIGGER_OF_DEFINITION",
                f"cannot {verb} trigger {self.id}: it is written in the definition of version {self.version_id}",
                trigger_id=self.id,
                version_id=self.version_id,
            )
