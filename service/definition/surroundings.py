"""What a definition goes by beside itself: the versions and task definitions that it names, and the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.catalogue import Catalogue
from service.domain.task_definition import TaskDefinition


@dataclass(frozen=True, slots=True)
class Child:
    """A version of the workspace that a definition names as a child."""

    id: str
    template_key: str
    label: str
    status: str
    input_schema: str | None  # JSON; None: it takes any input, or is a draft


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be looked up to check and compile a definition."""

    children: tuple[str, ...] = ()  # the versions that it names, each once
    catalogue: bool = False
    task_definitions: tuple[tuple[str, int], ...] = ()  # key and version of each once; version 0: the newest

    def __bool__(self) -> bool:
        return bool(self.children or self.catalogue or self.task_definitions)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was looked up: of the versions and task definitions named those that there are.

    Of a task definition that is named without a version the newest stands before others.
    """

    children: tuple[Child, ...] = ()
    catalogue: Catalogue | None = None  # None: the workspace has none, or the definition does not need it
    task_definitions: tuple[TaskDefinition, ...] = ()
