"""What service requests are made of in a workspace: types, the task groups of each, and the tasks of each group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import fields
from service.domain.errors import Conflict, Invalid
from service.domain.etag import Edited

MAX_TYPES = 1_000
"""Types in a catalogue."""

MAX_TASK_GROUPS = 200
"""Task groups of a type."""

MAX_TASKS = 200
"""Tasks of a task group."""

MAX_ENTRIES = 20_000
"""Types, task groups and tasks of a catalogue together."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task; `key` is unique in its group."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """A task group; `key` is unique in its type."""

    key: str
    name: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class ServiceRequestType:
    """A type of service request; `key` is unique in the catalogue."""

    key: str
    name: str
    task_groups: tuple[TaskGroup, ...]


@dataclass(frozen=True, slots=True)
class Catalogue(Edited):
    """The one catalogue of a workspace. A key may stand on several levels: it means something else on each."""

    noun: ClassVar[str] = "catalogue"

    workspace: str
    types: tuple[ServiceRequestType, ...]
    revision: int
    create_time: datetime
    update_time: datetime

    @classmethod
    def created(
        cls, *, workspace: str, types: tuple[ServiceRequestType, ...], now: datetime, etag: str = ""
    ) -> Catalogue:
        """Give a workspace its first catalogue; an etag was meant for one that there was."""
        if etag:
            message = f"the workspace has no catalogue, so none has the etag {fields.shown(etag)}; read it again"
            raise Conflict("ETAG_MISMATCH", message)
        _check(types)
        return cls(workspace=workspace, types=types, revision=1, create_time=now, update_time=now)

    @property
    def id(self) -> str:  # type: ignore[override] # of the other records it is a field
        """What names it: there is one in a workspace."""
        return self.workspace

    def put(self, types: tuple[ServiceRequestType, ...], now: datetime) -> Catalogue:
        """Let other types stand in the place of all that there were."""
        _check(types)
        return replace(self, types=types, revision=self.revision + 1, update_time=now)


_Entry = ServiceRequestType | TaskGroup | Task


def _check(types: tuple[ServiceRequestType, ...]) -> None:
    place = "catalogue.types"
    _check_level(place, types, at_most=MAX_TYPES)
    entries = len(types)
    for n, type in enumerate(types):
        _check_level(f"{place}[{n}].task_groups", type.task_groups, at_most=MAX_TASK_GROUPS)
        for m, group in enumerate(type.task_groups):
            _check_level(f"{place}[{n}].task_groups[{m}].tasks", group.tasks, at_most=MAX_TASKS)
            entries += 1 + len(group.tasks)
    if entries > MAX_ENTRIES:
        message = f"{place} has {entries:,} types, task groups and tasks: it must have at most {MAX_ENTRIES:,}"
        raise Invalid("INVALID_FIELD", message, field=place)


def _check_level(place: str, entries: Iterable[_Entry], *, at_most: int) -> None:
    """Refuse too many entries beside each other, bad keys and names, and a key that stands there twice."""
    first: dict[str, int] = {}
    for n, entry in enumerate(entries):
        if n >= at_most:
            message = f"{place} has more entries than {at_most:,}, which is the most"
            raise Invalid("INVALID_FIELD", message, field=place)
        fields.label(f"{place}[{n}].key", entry.key)
        fields.text(f"{place}[{n}].name", entry.name, at_most=256)
        if entry.key in first:
            rule = f"{place}[{first[entry.key]}] has that key already"
            raise fields.refuse(f"{place}[{n}].key", entry.key, rule)
        first[entry.key] = n
