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


def human_clocks_run(document: Document) -> Iterator[Finding]:
    """A human step with a transition for a time that passes says which time that is."""
    for node in document.nodes:
        if node.kind is None or not node.kind.is_human:
            continue
        escalation = node.data.get("escalation")
        after = escalation.get("after") if isinstance(escalation, dict) else None
        times = {"TIMEOUT": node.data.get("dueIn"), "ESCALATED": after or node.data.get("dueIn")}
        for edge in document.outgoing.get(node.id or "", ()):
            if edge.on in times and times[edge.on] is None:
                needs = "dueIn" if edge.on == "TIMEOUT" else "dueIn or escalation.after"
                message = f'"{node.id}" never comes to "{edge.on}": it has no {needs}'
                yield finding("HUMAN_TASK_VALID", message, f"{edge.pointer}/on")
