"""What went wrong: lost, doubled, stuck or contradicted, each with where and how."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Kind = Literal["lost", "doubled", "stuck", "contradicted"]
"""An event or an answered call without its effect; an effect more than once; something that does not go on by itself;
records, answers or Temporal that tell different stories."""

KINDS: tuple[Kind, ...] = ("lost", "doubled", "stuck", "contradicted")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went wrong."""

    kind: Kind
    about: str  # an execution, an event or the key of a race
    message: str


class Findings:
    """All that went wrong; the same is counted once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}
        self._lock = threading.Lock()

    def add(self, kind: Kind, about: str, message: str) -> None:
        """Note one."""
        with self._lock:
            self._found[Finding(kind, about, message)] = None

    @property
    def all(self) -> list[Finding]:
        """Everything found so far."""
        return list(self._found)

    def counts(self) -> dict[str, int]:
        """How many of each kind, zeros included."""
        found = Counter(finding.kind for finding in self._found)
        return {kind: found[kind] for kind in KINDS}

    def __len__(self) -> int:
        return len(self._found)
