"""Plans by digest, kept in memory.

A workflow names its plan by digest; the plan stands in the database, where it never changes and cannot be
deleted while an execution runs it. So fetching it is no decision that a replay could repeat differently, needs no
history event, and happens once a process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from service.definition.plan import Plan

CAPACITY = 1_000
"""Plans kept in memory; the one used longest ago goes first."""

Fetch = Callable[[str, str], str]
"""(workspace, digest) → the plan's JSON."""


class Plans:
    """A cache in front of wherever plans are kept."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, workspace: str, digest: str) -> Plan:
        """Give the plan; raises whatever the fetching raises, and then the workflow task is tried again later."""
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        plan = Plan.from_json(self._fetch(workspace, digest))
        with self._lock:
            self._known[digest] = plan
            while len(self._known) > CAPACITY:
                self._known.popitem(last=False)
        return plan
