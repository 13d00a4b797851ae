"""Rules about ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from service.definition.document import Document, Edge, Group, Node
from service.definition.rules import Finding, finding

MAX_ID = 128
"""The longest id, in characters."""

Part = Node | Edge | Group
"""What has an id."""


def step_ids_unique(document: Document) -> Iterator[Finding]:
    """Each step has an id of its own, compensations included."""
    yield from _unique("STEP_IDS_UNIQUE", "step", (*document.nodes, *(one for one, _ in document.compensations)))


def transition_ids_unique(document: Document) -> Iterator[Finding]:
    """Each transition has an id of its own."""
    yield from _unique("TRANSITION_IDS_UNIQUE", "transition", document.edges)


def step_group_ids_unique(document: Document) -> Iterator[Finding]:
    """Each step group has an id of its own."""
    yield from _unique("STEP_GROUP_IDS_UNIQUE", "step group", document.groups)


def ids_well_formed(document: Document) -> Iterator[Finding]:
    """An id is something that can be written in a log and an expression."""
    parts: tuple[Part, ...] = (*document.nodes, *document.edges, *document.groups)
    for part in parts:
        if part.id is not None and (complaint := _complaint(part.id)) is not None:
            yield finding("IDS_WELL_FORMED", complaint, f"{part.pointer}/id")


def _unique(rule: str, what: str, parts: Iterable[Part]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for part in parts:
        if part.id is None:
            continue
        if part.id in first:
            message = f'the {what} id "{part.id}" stands at {first[part.id]} already'
            yield finding(rule, message, f"{part.pointer}/id")
        else:
            first[part.id] = part.pointer


def _complaint(id: str) -> str | None:
    if not id:
        return "an id must not be empty"
    if len(id) > MAX_ID:
        return f"an id has at most {MAX_ID} characters; this one has {len(id)}"
    if not id.isprintable():
        return f"the id {json.dumps(id)} has a character that cannot be printed"
    return f'the id "{id}" has spaces at its ends' if id != id.strip() else None
