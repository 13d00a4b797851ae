"""Playing a real execution's ledger through the pure engine: what happened outside, told again in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from service.definition.plan import Plan
from service.engine.advancing import advance, may_proceed
from service.engine.observations import (
    Cancelled,
    Observation,
    Proceeded,
    Started,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from service.engine.state import State, key


def simulate(plan: Plan, ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the ledger that the engine writes when it is told what the real one says happened outside."""
    state = State()
    entries: list[dict[str, Any]] = []
    while len(entries) < len(ledger):
        cause = ledger[len(entries)]
        now = datetime.fromisoformat(cause["time"])
        outcome = advance(plan, state, _observation(plan, cause), now)
        while True:
            state = outcome.state
            entries += [entry.to_dict() for entry in outcome.entries]
            if not may_proceed(state):
                break
            outcome = advance(plan, state, Proceeded(), now)
        assert outcome.entries or entries[-1]["number"] >= cause["number"], f"the engine makes nothing of {cause}"
    return entries


def timeless(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what depends on the clock and on who called."""
    kept = []
    for entry in entries:
        data = {name: value for name, value in entry["data"].items() if name not in ("due", "request")}
        kept.append({**entry, "time": "", "data": data})
    return kept


def _observation(plan: Plan, cause: dict[str, Any]) -> Observation:
    data, step_id, visit = cause["data"], cause["step_id"], cause["visit"]
    match cause["type"], plan.step[step_id].type if step_id else "":
        case "EXECUTION_STARTED", _:
            return Started(data["input"])
        case "STEP_COMPLETED", "task":
            return TaskCompleted(key(step_id, visit), cause["attempt"], data["output"])
        case "STEP_COMPLETED", "timer":
            return TimerFired(key(step_id, visit))
        case "STEP_COMPLETED", _:
            return StepCompleted(step_id, visit, data["output"], data.get("outcome", ""))
        case "ATTEMPT_FAILED", _:
            return TaskFailed(key(step_id, visit), cause["attempt"], data["error"])
        case "STEP_FAILED", _:
            return TaskFailed(key(step_id, visit), cause["attempt"], data["error"])
        case "ATTEMPT_STARTED", _:
            return TimerFired(key(step_id, visit))
        case "STEP_UPDATED", _:
            return StepUpdated(step_id, data["status"], visit)
        case _:
            return Cancelled("no more")
