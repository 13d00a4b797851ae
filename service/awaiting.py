"""Waiting for the first children of a step that a call has led into, so that who reads after the answer finds them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from service.definition.plan import Plan
from service.domain.execution import Execution, Planned
from service.domain.step_run import StepRun
from service.engine.entries import Entry
from service.engine.steps.sub_workflow import CHUNK
from storage import families, ledger
from storage.database import connection

LONGEST = 5.0
"""Seconds that a caller is kept waiting for them, at most: a worker that is busy holds up no answer for longer."""

PAUSE = 0.01
"""Seconds between two looks."""

_TOLD = frozenset(
    {
        "CHILDREN_STARTED",
        "CHILD_ENDED",
        "STEP_UPDATED",
        "STEP_COMPLETED",
        "STEP_FAILED",
        "STEP_SKIPPED",
        "STEP_CANCELLED",
    }
)
"""Entries of a step run after which its children are there, or will not be."""


def planned(entries: Iterable[Entry]) -> tuple[Planned, ...]:
    """List the step runs whose children follow from these entries."""
    found: list[Planned] = []
    for entry in entries:
        family = entry.data.get("children") or {}
        if entry.type == "CHILDREN_PLANNED" and entry.data["items"]:
            found.append(Planned(entry.step_id, entry.visit, entry.number, entry.data["items"]))
        elif entry.data.get("retries") and family.get("items"):
            kept = family.get("succeeded", 0)
            found.append(Planned(entry.step_id, entry.visit, entry.number, family["items"] - kept, kept))
    return tuple(found)


def planned_by(runs: Iterable[StepRun]) -> tuple[Planned, ...]:
    """List the step runs whose children follow, of those with which an execution began."""
    open = (run for run in runs if run.children and run.end_time is None)
    return tuple(Planned(run.step_id, run.visit, run.create_number, run.children or 0) for run in open)


def await_children(plan: Plan, execution: Execution, planned: Sequence[Planned], seconds: float) -> None:
    """Wait until the first children of these step runs are stored, as far as the time goes.

    One that fetches data for each of its children first is not waited for: how long that takes is up to others.
    """
    limit = time.monotonic() + min(seconds, LONGEST)
    missing = [one for one in planned if not _has_own_data(plan, one)]
    while missing:
        with connection():
            missing = [one for one in missing if not _is_there(plan, execution, one)]
        if not missing or time.monotonic() >= limit:
            return
        time.sleep(PAUSE)


def _has_own_data(plan: Plan, one: Planned) -> bool:
    return any(source.get("each") for source in plan.step[one.step_id].settings["sources"])


def _is_there(plan: Plan, execution: Execution, one: Planned) -> bool:
    first = min(one.children, plan.step[one.step_id].settings["concurrency"], CHUNK)
    counts = families.counts(execution.workspace, execution.id, one.step_id, one.visit)
    if sum(counts.values()) >= one.kept + first:
        return True
    later = ledger.entries(execution.workspace, execution.id, after=one.number, limit=200)
    place = (one.step_id, one.visit)
    return any((entry["step_id"], entry["visit"]) == place and entry["type"] in _TOLD for entry in later)
