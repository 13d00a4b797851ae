"""States of executions that are too large for Temporal's messages, in parts by digest; a part never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from storage.database import query

PART = 256 * 1024
"""Characters of a part, of which JSON makes at most 1 MiB."""


PORTABLE = 512 * 1024
"""Bytes that a state may have as a string within JSON, and travel as a whole."""


class PartMissing(Exception):
    """The workflow of an execution names this part, so it should be there as long as the execution is."""


def is_portable(text: str) -> bool:
    """Tell whether a state may travel as a whole."""
    return len(text.encode()) + text.count('"') + text.count("\\") <= PORTABLE


def cut(text: str) -> list[str]:
    """Cut a state into parts."""
    return [text[begin : begin + PART] for begin in range(0, len(text), PART)]


def add(workspace: str, execution_id: str, body: str) -> str:
    """Store a part, unless it is there already; gives its digest."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    query(
        "INSERT INTO state_parts VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (workspace, execution_id, digest, body),
    )
    return digest


def join(workspace: str, execution_id: str, digests: Sequence[str]) -> str:
    """Put a state together from its parts; raises PartMissing."""
    rows = query(
        "SELECT digest, body FROM state_parts WHERE workspace = %s AND execution_id = %s AND digest = ANY(%s)",
        (workspace, execution_id, list(digests)),
    )
    bodies: dict[str, str] = dict(rows)
    if missing := [digest for digest in digests if digest not in bodies]:
        raise PartMissing(f"execution {execution_id} of workspace {workspace} has no part {missing[0]} of a state")
    return "".join(bodies[digest] for digest in digests)
