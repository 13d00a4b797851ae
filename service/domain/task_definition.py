"""What a task is in a workspace, apart from the workflows that use it: what it takes and gives, and who performs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import fields
from service.domain.etag import Edited
from service.domain.template import MAX_DESCRIPTION

TYPES = ("AUTOMATED", "MANUAL", "INTEGRATION")
"""AUTOMATED is done by a worker, MANUAL by a person, INTEGRATION by another system."""

MAX_IMPLEMENTATION = 256 * 1024
"""Bytes of an implementation."""


@dataclass(frozen=True, slots=True)
class TaskDefinition(Edited):
    """One version of a task definition; every change makes the next one, and those before stay readable.

    `input_schema`, `output_schema` and `implementation` are JSON text, byte for byte as they were given.
    """

    noun: ClassVar[str] = "task definition"

    workspace: str
    id: str
    key: str
    version: int
    name: str
    description: str
    type: str
    input_schema: str | None  # None: any input is taken
    output_schema: str | None  # None: any output is taken
    implementation: str
    create_time: datetime
    update_time: datetime  # when this version was made

    @classmethod
    def created(
        cls,
        *,
        workspace: str,
        id: str,
        key: str,
        name: str,
        description: str,
        type: str,
        input_schema: str | None,
        output_schema: str | None,
        implementation: str,
        now: datetime,
    ) -> TaskDefinition:
        """Make a task definition; an empty name is the key."""
        return cls(
            workspace=workspace,
            id=id,
            key=_key(key),
            version=1,
            name=fields.name("name", name) if name else key,
            description=fields.text("description", description, at_most=MAX_DESCRIPTION),
            type=fields.required("type", type),
            input_schema=input_schema,
            output_schema=output_schema,
            implementation=implementation,
            create_time=now,
            update_time=now,
        )

    @property
    def revision(self) -> int:  # type: ignore[override] # of the other records it is a field
        """Counts the editions: here they are versions."""
        return self.version

    def next(self, now: datetime, **changes: str | None) -> TaskDefinition:
        """Make the next version, with other words, schemas or another implementation; what is not named stays."""
        changed = replace(self, version=self.version + 1, update_time=now, **changes)  # type: ignore[arg-type]
        fields.name("name", changed.name)
        fields.text("description", changed.description, at_most=MAX_DESCRIPTION)
        return changed


def _key(key: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", key) is None:
        rule = "it must be 1 to 128 letters, digits, dots, hyphens and underscores, and begin with a letter or digit"
        raise fields.refuse("key", key, rule)
    return key
