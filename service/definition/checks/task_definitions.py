"""Rules about the task definitions that steps name: they are there."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition import task_definitions
from service.definition.document import Document, Node
from service.definition.rules import Finding, finding
from service.definition.steps.task import DEFAULT_TASK_QUEUE, Named, definition_named
from service.definition.surroundings import Surroundings

NAMING = "taskDefinition"
"""The property that names a task definition."""


def named(document: Document) -> tuple[tuple[str, int], ...]:
    """List the task definitions that a definition names, each once: key and version, 0 for the newest."""
    return tuple(dict.fromkeys((name.key, name.version) for _, name in _naming(document)))


def task_definition_exists(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A task that is done as its definition says has one."""
    for node, name in _missing(document, surroundings):
        if not name.is_optional:
            yield finding("TASK_DEFINITION_EXISTS", f"the workspace has {_told(name)}", f"{node.pointer}/{NAMING}")


def task_definition_missing(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A task that may be done without a definition has one all the same."""
    for node, name in _missing(document, surroundings):
        if name.is_optional:
            queue = node.data.get("taskQueue", DEFAULT_TASK_QUEUE)
            message = f'the workspace has {_told(name)}; it is run as an activity of that name on task queue "{queue}"'
            yield finding("TASK_DEFINITION_MISSING", message, f"{node.pointer}/{NAMING}")


def compensation_by_machine(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A compensation is not done by a person, for whom it would wait."""
    for node, _ in document.compensations:
        name = definition_named(node.data) if node.is_a("task") else None
        defined = None if name is None else task_definitions.find(name, surroundings)
        if defined is not None and defined.type == "MANUAL":
            message = f'task definition "{defined.key}" is MANUAL, and a compensation does not wait for a person'
            yield finding("COMPENSATION_BY_MACHINE", message, f"{node.pointer}/{NAMING}")


def _missing(document: Document, surroundings: Surroundings) -> Iterator[tuple[Node, Named]]:
    for node, name in _naming(document):
        if task_definitions.find(name, surroundings) is None:
            yield node, name


def _naming(document: Document) -> Iterator[tuple[Node, Named]]:
    for node in (*document.of_type("task"), *(one for one, _ in document.compensations if one.is_a("task"))):
        if (name := definition_named(node.data)) is not None:
            yield node, name


def _told(name: Named) -> str:
    key = name.key if len(name.key) <= 60 else f"{name.key[:60]}…"
    return f'no version {name.version} of task definition "{key}"' if name.version else f'no task definition "{key}"'
