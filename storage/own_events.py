"""Heddle's own events: what becomes of an execution, stored in the statement that records it.

They are events like those that callers publish; a server's sweep finds whom they concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

LIFE = 24 * 3600.0
"""Seconds that one is kept: there are as many as executions."""

MAX_OUTPUT = 64 * 1024
"""Characters of an output that stands in an event; a larger one is left out, with `outputOmitted`."""

ENDS = {
    "COMPLETED": "workflow.completed",
    "FAILED": "workflow.failed",
    "FAILED_TO_START": "workflow.failed",
    "CANCELLED": "workflow.cancelled",
}
"""The event of each end."""

COMPENSATED = "workflow.compensation.completed"
WAITING = "workflow.waiting"

RETURNED = "template_id, version_id, correlation_id, event_depth"
"""What `e` has to give of the execution."""


def ending(status: str, output: str | None, error: str | None) -> list[tuple[str, str]]:
    """Give the event of an end: its name, and fields of its payload as JSON text."""
    fields = f'"status":"{status}"'
    if output is not None:
        fields += f',"output":{output}' if len(output) <= MAX_OUTPUT else ',"outputOmitted":true'
    if error is not None:
        fields += f',"error":{error}'
    return [(ENDS[status], fields)]


def inserting(
    workspace: str, execution_id: str, number: int, time: datetime, found: Sequence[tuple[str, str]]
) -> tuple[str, list[Any]]:
    """Give the part of an execution's write, if `e` has a row, that stores events: names, and fields of payloads.

    `number` is the last ledger number of the write, which tells the events of one write from another's; 0 is for the
    one end of which the ledger does not tell, a start that was refused.
    """
    part = (
        "oe AS (INSERT INTO events (workspace, event_id, name, version, source, event_time, payload, metadata, digest, "
        "depth, expire_time, match_after) SELECT %s, 'workflow/' || %s || '/' || %s || '/' || x.name, x.name, '1', "
        """'{"type":"workflow","id":"' || %s || '","name":""}', %s, """
        "rtrim(json_build_object('executionId', %s::text, 'templateId', e.template_id, 'templateKey', t.key, "
        "'versionId', e.version_id, 'correlationId', e.correlation_id)::text, '}') || ',' || x.fields || '}', "
        "json_build_object('correlationId', e.correlation_id)::text, '', e.event_depth, "
        "now() + make_interval(secs => %s), now() FROM e JOIN templates t ON t.workspace = %s "
        "AND t.id = e.template_id, unnest(%s::text[], %s::text[]) AS x(name, fields) ON CONFLICT DO NOTHING)"
    )
    values = [workspace, execution_id, number, execution_id, time, execution_id, LIFE, workspace]
    return part, [*values, [name for name, _ in found], [fields for _, fields in found]]
