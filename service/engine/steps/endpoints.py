"""`start` gives the first token its way, `end` takes tokens out."""

from __future__ import annotations

from service.engine.run import Run, Visit
from service.engine.steps.kind import Kind


def _pass(run: Run, visit: Visit) -> None:
    run.complete(visit)


def _take(run: Run, visit: Visit) -> None:
    run.complete(visit, taken=[], end=True)


START = Kind(enter=_pass)
END = Kind(enter=_take, passable=False)
