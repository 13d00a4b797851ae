"""The fold: state before an entry → state after it. Nothing else changes a state.

Because the engine itself moves only through `apply`, the ledger alone rebuilds the state of any execution at any entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from service.engine import compensating
from service.engine.entries import Entry
from service.engine.state import (
    CONSUMED,
    MAX_STATE,
    OPEN,
    Done,
    Failure,
    Family,
    OpenRun,
    Result,
    State,
    Undoing,
    json_size,
    key,
)


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
    children = data.get("children")
    run = OpenRun(
        entry.step_id,
        entry.visit,
        data["status"],
        entry.attempt,
        data.get("input"),
        data.get("due"),
        None if children is None else Family.from_dict(children),
        data.get("wait"),
        data.get("task"),
        data.get("handed"),
    )
    _keep(state, run)


def _keep(state: State, run: OpenRun) -> None:
    """Put a step run among the open ones, in its place where it stands there already."""
    before = state.open.get(run.key)
    state.held += run.weight - (before.weight if before else 0)
    state.open[run.key] = run


def _step_updated(state: State, entry: Entry) -> None:
    data = entry.data
    children = data.get("children")
    run = replace(
        state.open[key(entry.step_id, entry.visit)],
        status=data["status"],
        input=data.get("input"),
        due=data.get("due"),
        children=None if children is None else Family.from_dict(children),
        wait=data.get("wait"),
        task=data.get("task"),
    )
    _keep(state, run)
    state.moves = 0


def _step_completed(state: State, entry: Entry) -> None:
    _close(state, entry)
    data = entry.data
    output, outcome = data["output"], data.get("outcome", "")
    grown = growth(state, entry.step_id, output)
    if state.undoing is not None and state.size + grown > MAX_STATE:
        output, grown = None, growth(state, entry.step_id, None)  # what a compensation gave must not stop the next one
    state.size += grown
    state.results[entry.step_id] = Result(entry.visit, entry.attempt, output, outcome)
    if (failure := state.failures.pop(entry.step_id, None)) is not None:
        state.size -= _failure_size(failure)
    state.tokens.extend(data["taken"])
    if parts := data.get("undoable"):
        done = Done(entry.step_id, entry.visit, output, outcome, int(parts))
        state.done.append(done)
        state.size += done.size
    if "variables" in data:
        _set(state, data["variables"])
    if "event" in data:
        _consume(state, data["event"], key(entry.step_id, entry.visit))
    state.end_reached = state.end_reached or data.get("end", False)


def growth(state: State, step_id: str, output: Any) -> int:
    """Bytes by which a state grows when a step gives an output in place of its latest one."""
    before = state.results.get(step_id)
    return json_size(output) - (json_size(before.output) if before else 0)


def variables_growth(state: State, variables: dict[str, Any]) -> int:
    """Bytes by which a state grows when these variables are set."""
    return json_size({**state.variables, **variables}) - json_size(state.variables)


def _set(state: State, variables: dict[str, Any]) -> None:
    state.size += variables_growth(state, variables)
    state.variables.update(variables)


def _consume(state: State, event: str, name: str) -> None:
    state.consumed[event] = name
    if len(state.consumed) > CONSUMED:
        del state.consumed[next(iter(state.consumed))]


def _step_failed(state: State, entry: Entry) -> None:
    """Let the token of a step whose error is caught go on; that of another stays, for a retry."""
    data = entry.data
    if "event" in data:
        _consume(state, data["event"], key(entry.step_id, entry.visit))
    if state.undoing is not None:
        _close(state, entry)
        failed = {**state.undoing.parts[state.undoing.next - 1], "error": data["error"], "time": entry.time}
        state.undoing = replace(state.undoing, failed=(*state.undoing.failed, failed))
    elif "taken" in data:
        run = state.open.get(key(entry.step_id, entry.visit))
        _close(state, entry)
        failure = Failure(entry.visit, entry.attempt, data["error"], None if run is None else run.input)
        _remember(state, entry.step_id, failure)
        state.tokens.extend(data["taken"])
    else:
        _lose(state, entry)


def _remember(state: State, step_id: str, failure: Failure) -> None:
    """Keep a failure that was caught, without what the execution has no room for."""
    before = state.failures.get(step_id)
    room = MAX_STATE - state.size + (_failure_size(before) if before else 0)
    if _failure_size(failure) > room:
        brief: dict[str, Any] = {
            name: failure.error[name] for name in ("code", "message", "category") if name in failure.error
        }
        failure = replace(failure, error=brief, input=None)
    state.size += _failure_size(failure) - (_failure_size(before) if before else 0)
    state.failures[step_id] = failure


def _failure_size(failure: Failure) -> int:
    return json_size(failure.error) + json_size(failure.input)


def _wait_changed(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], wait=entry.data["wait"])


def _variables_changed(state: State, entry: Entry) -> None:
    _set(state, entry.data["variables"])
    state.moves = 0


def _attempt_failed(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], due=entry.data["due"])
    state.moves = 0


def _overdue(state: State, entry: Entry) -> None:
    _wake_later(state, entry)
    state.moves = 0


def _escalated(state: State, entry: Entry) -> None:
    """Send more tokens on their way, while the step run keeps its own."""
    _wake_later(state, entry)
    state.tokens.extend(entry.data["taken"])
    state.moves = 0


def _wake_later(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], due=entry.data["due"])


def _attempt_started(state: State, entry: Entry) -> None:
    name = key(entry.step_id, entry.visit)
    state.open[name] = replace(state.open[name], attempt=entry.attempt, due=None)


def _data_fetched(state: State, entry: Entry) -> None:
    data = entry.data
    run = state.open[key(entry.step_id, entry.visit)]
    family = run.children or Family()
    if "item" in data:
        of_item = {**family.item_data.get(str(data["item"]), {}), data["alias"]: data["value"]}
        family = replace(family, item_data={**family.item_data, str(data["item"]): of_item})
    else:
        family = replace(family, data={**family.data, data["alias"]: data["value"]})
    state.open[run.key] = replace(run, children=family)
    state.moves = 0


def _children_planned(state: State, entry: Entry) -> None:
    run = state.open[key(entry.step_id, entry.visit)]
    family = replace(run.children or Family(), items=entry.data["items"])
    _keep(state, replace(run, input=entry.data.get("input"), children=family))


def _children_started(state: State, entry: Entry) -> None:
    run = state.open[key(entry.step_id, entry.visit)]
    family = run.children or Family()
    items = entry.data["items"]
    started = frozenset(items)
    family = replace(
        family,
        item_data={item: data for item, data in family.item_data.items() if int(item) not in started},
        again=tuple(item for item in family.again if item not in started),
        next=max([family.next, *(item + 1 for item in items)]),
        open=(*family.open, *(item for item in items if item not in family.early)),
        early=tuple(item for item in family.early if item not in started),
    )
    state.open[run.key] = replace(run, children=family)
    state.moves = 0


def _child_ended(state: State, entry: Entry) -> None:
    run = state.open[key(entry.step_id, entry.visit)]
    family = run.children or Family()
    item, succeeded = entry.data["item"], entry.data["status"] == "COMPLETED"
    known = item in family.open or item in family.failed
    family = replace(
        family,
        open=tuple(other for other in family.open if other != item),
        early=family.early if known else (*family.early, item),
        succeeded=family.succeeded + succeeded,
        failed=(*(other for other in family.failed if other != item), *(() if succeeded else (item,))),
        size=family.size + entry.data["size"],
    )
    state.open[run.key] = replace(run, children=family)
    state.moves = 0


def _completed(state: State, entry: Entry) -> None:
    _end(state, "COMPLETED")


def _cancelled(state: State, entry: Entry) -> None:
    _end(state, "CANCELLED")
    data = entry.data
    if "event" in data:
        _consume(state, data["event"], key("", data.get("trigger", 0)))
    _undo(state, entry)


def _failed(state: State, entry: Entry) -> None:
    """Keep the tokens: a retry goes on with them."""
    state.status = "FAILED"
    _undo(state, entry)


def _undo(state: State, entry: Entry) -> None:
    if (parts := entry.data.get("compensation")) is not None:
        state.undoing = Undoing(tuple(parts), cancellation=compensating.cancellation(entry.data, entry.time))


def _compensated(state: State, entry: Entry) -> None:
    state.undoing, state.undone = None, True


def _retried(state: State, entry: Entry) -> None:
    state.status = OPEN
    state.moves = 0


def _end(state: State, status: str) -> None:
    state.status = status
    state.tokens.clear()
    state.arrived.clear()
    state.lost.clear()


def _lose(state: State, entry: Entry) -> None:
    """Take out a step run that has no result, and keep it for a retry."""
    name = key(entry.step_id, entry.visit)
    run = state.open.get(name)
    if run is None:
        before = state.lost.get(entry.data.get("retries", ""))
        via = before.via if before else tuple(entry.data.get("via", ()))
        handed = before.handed if before else None
        run = OpenRun(entry.step_id, entry.visit, "RUNNING", entry.attempt, handed=handed, via=via)
    _close(state, entry)
    state.lost[name] = run


def _close(state: State, entry: Entry) -> None:
    """Take the step run out of the open ones; one that took no time was never among them."""
    run = state.open.pop(key(entry.step_id, entry.visit), None)
    if run is None:
        _take_tokens(state, entry)
        return
    state.held -= run.weight
    if run.children is None or run.children.items != 0:  # a batch over nothing waits for nobody
        state.moves = 0


def _take_tokens(state: State, entry: Entry) -> None:
    held = state.arrived.get(entry.step_id)
    if state.undoing is not None:
        state.undoing = replace(state.undoing, next=state.undoing.next + 1)
    for via in entry.data.get("via", ()):
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
    if retried := entry.data.get("retries"):
        del state.lost[retried]


_APPLY: dict[str, Callable[[State, Entry], Any]] = {
    "EXECUTION_STARTED": _execution_started,
    "TOKEN_ARRIVED": _token_arrived,
    "STEP_STARTED": _step_started,
    "STEP_UPDATED": _step_updated,
    "STEP_OVERDUE": _overdue,
    "STEP_ESCALATED": _escalated,
    "STEP_COMPLETED": _step_completed,
    "STEP_FAILED": _step_failed,
    "STEP_SKIPPED": _lose,
    "STEP_CANCELLED": _lose,
    "ATTEMPT_FAILED": _attempt_failed,
    "ATTEMPT_STARTED": _attempt_started,
    "WAIT_CHANGED": _wait_changed,
    "VARIABLES_CHANGED": _variables_changed,
    "DATA_FETCHED": _data_fetched,
    "CHILDREN_PLANNED": _children_planned,
    "CHILDREN_STARTED": _children_started,
    "CHILD_ENDED": _child_ended,
    "EXECUTION_COMPLETED": _completed,
    "EXECUTION_FAILED": _failed,
    "EXECUTION_CANCELLED": _cancelled,
    "EXECUTION_COMPENSATED": _compensated,
    "EXECUTION_RETRIED": _retried,
}
