"""The ledger, for readers; writing it is part of an execution's write (`executions.py`)."""

from __future__ import annotations

import json
from typing import Any

from storage import documents
from storage.database import query


def entries(workspace: str, execution_id: str, *, after: int, limit: int) -> list[dict[str, Any]]:
    """List the entries that follow number `after`, in order, large values in their place; at most `limit`."""
    rows = query(
        "SELECT entries FROM ledger WHERE workspace = %s AND execution_id = %s AND last_number > %s "
        "ORDER BY first_number LIMIT %s",
        (workspace, execution_id, after, limit),
        prepared=True,
    )
    found = [entry for (text,) in rows for entry in json.loads(text) if entry["number"] > after][:limit]
    marks = [entry["data"][name] for entry in found for name in entry.get("documents", ())]
    bodies = documents.fetch(workspace, marks)
    for entry in found:
        for name in entry.pop("documents", ()):
            entry["data"][name] = json.loads(bodies[entry["data"][name]])
    return found
