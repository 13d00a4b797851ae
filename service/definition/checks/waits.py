"""Rules about steps that wait for somebody."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition import partial, schemas
from service.definition.document import Document
from service.definition.rules import Finding, finding


def waits_can_end(document: Document) -> Iterator[Finding]:
    """There is an output with which a human step can be completed."""
    for node in document.nodes:
        if node.kind is None or not node.kind.is_human:
            continue
        for name in ("outputSchema", *node.kind.schemas):
            schema = node.data.get(name, True)
            if partial.accepts_nothing(schema) and not schemas.check_schema(schema):
                message = f'nothing matches this, so nobody can complete step "{node.id}"'
                yield finding("WAITS_CAN_END", message, f"{node.pointer}/{name}")
