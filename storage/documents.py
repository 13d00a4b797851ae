"""Large values: they stand once, by digest, however many rows mention them.

In a column that holds JSON text, `sha256:<hex>` stands for a value kept here; JSON text never begins so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

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
