"""The ledger, for readers; writing it is part of an execution's write (`executions.py`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from service.domain.execution import ENDED
from storage import documents
from storage.database import query


@dataclass(frozen=True, slots=True)
class Standing:
    """How an execution stands, and ledger entries of it, in order, large values in their place."""

    last_number: int
    status: str
    phase: str
    entries: list[dict[str, Any]]

    @property
    def is_over(self) -> bool:
        """Tell whether nothing can follow; as `Execution.is_over`."""
        return self.status in ENDED and self.phase != "COMPENSATING"


def entries(workspace: str, execution_id: str, *, after: int, limit: int) -> list[dict[str, Any]]:
    """List the entries that follow number `after`, in order, large values in their place; at most `limit`."""
    rows = query(
        "SELECT entries FROM ledger WHERE workspace = %s AND execution_id = %s AND last_number > %s "
        "ORDER BY first_number LIMIT %s",
        (workspace, execution_id, after, limit),
        prepared=True,
    )
    return _read(workspace, [text for (text,) in rows], after, limit)


def standing(workspace: str, execution_id: str, *, after: int) -> Standing | None:
    """Tell how an execution stands, with all the entries that follow number `after`; None when there is none."""
    rows = query(
        "SELECT e.last_number, e.status, e.phase, l.entries FROM executions e LEFT JOIN ledger l "
        "ON l.workspace = e.workspace AND l.execution_id = e.id AND l.first_number >= (SELECT max(first_number) "
        "FROM ledger WHERE workspace = e.workspace AND execution_id = e.id AND first_number <= %s) "
        "WHERE e.workspace = %s AND e.id = %s ORDER BY l.first_number",
        (after + 1, workspace, execution_id),
        prepared=True,
    )
    if not rows:
        return None
    texts = [row[3] for row in rows if row[3] is not None]
    last_number, status, phase, _ = rows[0]
    return Standing(last_number, status, phase, _read(workspace, texts, after, None))


def _read(workspace: str, texts: list[str], after: int, limit: int | None) -> list[dict[str, Any]]:
    found = [entry for text in texts for entry in json.loads(text) if entry["number"] > after][:limit]
    marks = [entry["data"][name] for entry in found for name in entry.get("documents", ())]
    bodies = documents.fetch(workspace, marks)
    for entry in found:
        for name in entry.pop("documents", ()):
            entry["data"][name] = json.loads(bodies[entry["data"][name]])
    return found
