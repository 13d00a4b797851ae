"""Large values: they stand once, by digest, however many rows mention them, and go with the last execution that does.

In a column that holds JSON text, `sha256:<hex>` stands for a value kept here; JSON text never begins so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from storage.database import query

LARGE = 4_096
"""Characters of JSON text above which a value is kept here."""

_PREFIX = "sha256:"


class Shelf:
    """Collects the large values of one write."""

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}

    def put(self, text: str | None) -> str | None:
        """Give what to store in place of a JSON text: the text itself, or the mark of a large one."""
        if text is None or len(text) <= LARGE:
            return text
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.bodies[digest] = text
        return _PREFIX + digest


def storing(workspace: str, execution_id: str, shelf: Shelf) -> tuple[str, list[Any]]:
    """Give the part of an execution's write, if `e` has a row, that stores its large values and that it uses them.

    They come in order, as `release` takes them, so that none of the two ever waits for the other in a circle.
    """
    part = (
        "d AS (INSERT INTO documents SELECT %s, new.* FROM e, unnest(%s::text[], %s::text[]) AS new "
        "ON CONFLICT DO NOTHING), "
        "du AS (INSERT INTO document_uses SELECT %s, %s, new FROM e, unnest(%s::text[]) AS new ON CONFLICT DO NOTHING)"
    )
    digests = sorted(shelf.bodies)
    return part, [workspace, digests, [shelf.bodies[digest] for digest in digests], workspace, execution_id, digests]


def used_by(workspace: str, execution_ids: Sequence[str]) -> list[str]:
    """List the digests of what executions use."""
    rows = query(
        "SELECT DISTINCT digest FROM document_uses WHERE workspace = %s AND execution_id = ANY(%s) ORDER BY digest",
        (workspace, list(execution_ids)),
    )
    return [digest for (digest,) in rows]


def release(workspace: str, digests: Sequence[str]) -> None:
    """Delete those of these values, given in order, that no execution uses any more; inside a transaction.

    Who is about to use one is waited for, and seen by the second statement. Who comes later waits, and stores it anew;
    only one who has just found it stored meets the error that something was deleted, and tries again.
    """
    place = (workspace, list(digests))
    query("SELECT 1 FROM documents WHERE workspace = %s AND digest = ANY(%s) ORDER BY digest FOR UPDATE", place)
    query(
        "DELETE FROM documents d WHERE workspace = %s AND digest = ANY(%s) AND NOT EXISTS (SELECT FROM document_uses u "
        "WHERE (u.workspace, u.digest) = (d.workspace, d.digest)) RETURNING 1",
        place,
    )


def fetch(workspace: str, texts: Iterable[str | None]) -> dict[str, str]:
    """Find the values behind the marks among these texts, by mark."""
    digests = {text.removeprefix(_PREFIX) for text in texts if text is not None and text.startswith(_PREFIX)}
    if not digests:
        return {}
    rows = query(
        "SELECT digest, body FROM documents WHERE workspace = %s AND digest = ANY(%s)",
        (workspace, list(digests)),
        prepared=True,
    )
    return {_PREFIX + digest: body for digest, body in rows}
