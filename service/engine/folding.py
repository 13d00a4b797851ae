"""The fold: state before an entry → state after it. Nothing else changes a state.

Because the engine itself moves only through `apply`, the ledger alone rebuilds the state of any execution at any entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from service.engine.entries import Entry
from service.engine.state import OpenRun, Result, State, json_size, key


def fold(entries: Iterable[Entry]) -> State:
    """Rebuild the state that stands behind the last of these entries."""
    state = State()
    for entry in entries:
        apply(state, entry)
    return state


def apply(state: State, entry: Entry) -> None:
    """Change a state in place by what one entry says."""
    _APPLY[entry.type](state, entry)
    state.number = entry.number


def _execution_started(state: State, entry: Entry) -> None:
    state.input = entry.data["input"]
    state.size = json_size(state.input)
    state.tokens.append("")


def _token_arrived(state: State, entry: Entry) -> None:
    via = entry.data["via"]
    state.tokens.remove(via)
    held = state.arrived.setdefault(entry.step_id, {})
    held[via] = held.get(via, 0) + 1


def _step_started(state: State, entry: Entry) -> None:
    _take_tokens(state, entry)
    data = entry.data
    state.open[key(entry.step_id, entry.visit)] = OpenRun(
        entry.step_id, entry.visit, data["status"], entry.attempt, data.get("input"), data.get("due")
    )


def _step_updated(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    data = entry.data
    state.open[name] = replace(state.open[name], status=data["status"], input=data.get("input"), due=data.get("due"))
    state.moves = 0


def _step_completed(state: State, entry: Entry) -> None:
    _close(state, entry)
    data = entry.data
    before = state.results.get(entry.step_id)
    state.size += json_size(data["output"]) - (json_size(before.output) if before else 0)
    state.results[entry.step_id] = Result(entry.visit, entry.attempt, data["output"], data.get("outcome", ""))
    state.tokens.extend(data["taken"])
    state.end_reached = state.end_reached or data.get("end", False)


def _attempt_failed(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], due=entry.data["due"])
    state.moves = 0


def _attempt_started(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], attempt=entry.attempt, due=None)


def _ended(status: str) -> Callable[[State, Entry], None]:
    def apply_end(state: State, entry: Entry) -> None:
        state.status = status
        state.tokens.clear()
        state.arrived.clear()

    return apply_end


def _close(state: State, entry: Entry) -> None:
    """Take the step run out of the open ones; one that took no time was never among them."""
    if state.open.pop(key(entry.step_id, entry.visit), None) is None:
        _take_tokens(state, entry)
    else:
        state.moves = 0


def _take_tokens(state: State, entry: Entry) -> None:
    held = state.arrived.get(entry.step_id)
    for via in entry.data["via"]:
        if held is None:
            state.tokens.remove(via)
        elif held[via] > 1:
            held[via] -= 1
        else:
            del held[via]
    if held is not None and not held:
        del state.arrived[entry.step_id]
    state.visits[entry.step_id] = entry.visit
    state.moves += 1


_APPLY: dict[str, Callable[[State, Entry], Any]] = {
    "EXECUTION_STARTED": _execution_started,
    "TOKEN_ARRIVED": _token_arrived,
    "STEP_STARTED": _step_started,
    "STEP_UPDATED": _step_updated,
    "STEP_COMPLETED": _step_completed,
    "STEP_FAILED": _close,
    "STEP_SKIPPED": _close,
    "STEP_CANCELLED": _close,
    "ATTEMPT_FAILED": _attempt_failed,
    "ATTEMPT_STARTED": _attempt_started,
    "EXECUTION_COMPLETED": _ended("COMPLETED"),
    "EXECUTION_FAILED": _ended("FAILED"),
    "EXECUTION_CANCELLED": _ended("CANCELLED"),
}
