"""What the expressions of the dialect `orchestrator` may begin with, where, and where the engine keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from service.definition.conditions.grammar import Refusal

Way = Sequence[str]
"""The names with which a path begins, its root first."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands: the roots that are bound there, and the step that was just finished."""

    name: str  # of the place, as it stands in messages
    roots: frozenset[str]
    finished: str | None = None  # the step's id; None: there is none, or it may be any of several


@dataclass(frozen=True, slots=True)
class Found:
    """What the first names of a path stand for: JSONata, and how many of the names it covers."""

    text: str
    names: int


STEP = Scope("the input of a step", frozenset({"workflow"}))
CHOICE = Scope("a decision", frozenset({"workflow", "data"}))
EVENT = Scope("the condition of an event", frozenset({"event", "data", "$", "workflow"}))
TRIGGER = Scope("a trigger", frozenset({"event", "data", "$"}))
FAILURE = Scope("the input of a failure's handler", frozenset({"workflow", "error", "step"}))
COMPENSATION = Scope("a compensation", frozenset({"workflow", "cancellation"}))


def after(step_id: str) -> Scope:
    """Give the scope of the conditions that are asked when a step has finished."""
    return Scope("a transition", frozenset({"workflow", "task", "data", "status"}), step_id)


def find(names: Way, scope: Scope, position: int) -> Found:
    """Look up what the first names of a path stand for; raise `Refusal` if they stand for nothing in the scope."""
    root = names[0]
    if root not in _ROOTS:
        raise Refusal(_unknown(root, scope), position)
    if root not in scope.roots:
        raise Refusal(f"{root} is not known in {scope.name}{_elsewhere(root)}", position)
    return _ROOTS[root](names, scope, position)


def path(names: Sequence[str]) -> str:
    """Write names as JSONata, each with a dot before it."""
    return "".join(f".{quoted(name)}" for name in names)


def relative_path(names: Sequence[str | int]) -> str:
    """Write a path from a value down as JSONata; `$` is the value itself."""
    text = "".join(f"[{name}]" if isinstance(name, int) else f".{quoted(name)}" for name in names)
    return text[1:] if text.startswith(".") else f"${text}"


def quoted(name: str) -> str:
    """Write one name as JSONata."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else f"`{name}`"


_PLAIN = re.compile(r"[A-Za-z_]\w*")
_RESERVED = {"and", "or", "in", "true", "false", "null", "function"}

_RUN = {"output": "output", "status": "status", "outcome": "outcome", "error": "error"}
_CANCELLATION = {name: name for name in ("reason", "source", "requestedBy", "requestedAt", "eventId")}
_EVENT = {
    name: name for name in ("eventId", "pattern", "version", "source", "timestamp", "payload", "metadata")
} | {"id": "eventId"}  # fmt: skip
_ERROR = {name: name for name in ("code", "message", "category", "details", "stepId", "attempts")}
_STATE = ("variables", "steps")


def _known(names: Way, at: int, fields: dict[str, str], what: str, position: int) -> str:
    """Read the name at a place in a path, which must be one of some; nothing there means the whole."""
    if len(names) <= at:
        return ""
    if names[at] not in fields:
        raise Refusal(f'{what} has no "{names[at]}"{_guess(names[at], fields)}', position)
    return f".{fields[names[at]]}"


def _event(names: Way, scope: Scope, position: int) -> Found:
    return Found(f"__event__{_known(names, 1, _EVENT, 'an event', position)}", min(len(names), 2))


def _data(names: Way, scope: Scope, position: int) -> Found:
    """Find `data`: of an event its payload; elsewhere what the step, the variables or the input have of the name."""
    if "event" in scope.roots:
        return Found("__event__.payload", 1)
    if len(names) < 2:
        raise Refusal("data alone is not known here: write what of it, such as data.amount", position)
    places = [f"__runs__.{quoted(scope.finished)}.output"] if scope.finished is not None else []
    inner = path(names[1:])
    asked = " ?? ".join(f"{place}{inner}" for place in (*places, "__variables__", "__context__"))
    return Found(f"({asked})", len(names))


def _workflow(names: Way, scope: Scope, position: int) -> Found:
    if len(names) < 2:
        raise Refusal("workflow alone is no value: write what of it, such as workflow.input", position)
    if names[1] == "instance" and len(names) > 2:
        found = _workflow((names[0], *names[2:]), scope, position)
        return Found(found.text, found.names + 1)
    match names[1]:
        case "input" | "context":
            return Found("__context__", 2)
        case "state":
            found = _state(names[2:], position)
            return Found(found.text, found.names + 2)
        case "cancellation" | "cancelation":
            if "cancellation" not in scope.roots:
                raise Refusal("workflow.cancellation is known in compensations only", position)
            return Found(
                f"__cancellation__{_known(names, 2, _CANCELLATION, 'a cancellation', position)}", min(len(names), 3)
            )
        case "id" | "status" | "correlationId" | "correlation_id" | "version":
            raise Refusal(f"workflow.{names[1]} is not known to expressions: hand it in as input", position)
    known = ("input", "state", "instance", "cancellation")
    hint = f"; did you mean workflow.state.{names[1]}?" if names[1] in _STATE else _guess(names[1], known)
    raise Refusal(f'workflow has no "{names[1]}"{hint}', position)


def _state(names: Way, position: int) -> Found:
    if names and names[0] == "variables":
        return Found("__variables__", 1)
    if not names or names[0] != "steps":
        what = (
            f'workflow.state has no "{names[0]}"{_guess(names[0], _STATE)}' if names else "workflow.state is no value"
        )
        raise Refusal(f"{what}; there are workflow.state.variables and workflow.state.steps", position)
    if len(names) < 2:
        raise Refusal("say which step, such as workflow.state.steps.pay.output", position)
    field = _known(names, 2, _RUN, "a step", position)
    return Found(f"__runs__.{quoted(names[1])}{field}", min(len(names), 3))


def _task(names: Way, scope: Scope, position: int) -> Found:
    if scope.finished is None:
        raise Refusal("task is not known here: write workflow.state.steps.<id>.output", position)
    if len(names) < 2:
        raise Refusal("task alone is no value: write task.output", position)
    field = _known(names, 1, _RUN, "task", position)
    return Found(f"__runs__.{quoted(scope.finished)}{field}", 2)


def _status(names: Way, scope: Scope, position: int) -> Found:
    return Found(_task(("task", "status"), scope, position).text, 1)


def _error(names: Way, scope: Scope, position: int) -> Found:
    return Found(f"__error__{_known(names, 1, _ERROR, 'an error', position)}", min(len(names), 2))


def _step(names: Way, scope: Scope, position: int) -> Found:
    if len(names) < 2 or names[1] != "input":
        raise Refusal("of the step that failed only step.input is known", position)
    return Found("__failed__.input", 2)


_ROOTS: Final = {
    "event": _event,
    "data": _data,
    "$": _event,
    "workflow": _workflow,
    "task": _task,
    "status": _status,
    "error": _error,
    "step": _step,
}
_MEANT = {
    "input": "workflow.input",
    "context": "workflow.input",
    "variables": "workflow.state.variables",
    "state": "workflow.state",
    "steps": "workflow.state.steps",
    "instance": "workflow.instance",
    "cancellation": "workflow.cancellation",
    "cancelation": "workflow.cancellation",
    "payload": "event.payload",
    "metadata": "event.metadata",
    "output": "task.output",
}
_PLACES = {
    "event": "conditions and mappings of events; what a step received is workflow.state.steps.<id>.output",
    "$": "conditions and mappings of events; what a step received is workflow.state.steps.<id>.output",
    "error": "the inputMapping of onFailure; of a step it is workflow.state.steps.<id>.error",
    "step": "the inputMapping of onFailure",
    "task": "the conditions that follow a step; of any step it is workflow.state.steps.<id>.output",
    "status": "the conditions that follow a step; of any step it is workflow.state.steps.<id>.status",
    "data": "conditions, and in mappings of events",
    "workflow": "running workflows; there is none yet",
}
_UNKNOWN = {
    "user": "user is known to user interfaces only: say who may act in the step, with taskDefinition",
    "process": "the environment cannot be read; hand the value in as input",
    "Date": "the time cannot be asked for; hand it in as input",
    "Math": "functions of Math cannot be called; let a task compute it",
    "JSON": "functions of JSON cannot be called",
    "NaN": "NaN is no value; compare with undefined",
    "Infinity": "Infinity is no value",
    "this": "this is no value; begin with workflow or event",
}


def _elsewhere(root: str) -> str:
    return f": it is bound in {_PLACES[root]}"


def _unknown(root: str, scope: Scope) -> str:
    if root in _UNKNOWN:
        return _UNKNOWN[root]
    if root in _MEANT:
        return f'nothing has the name "{root}"; did you mean {_MEANT[root]}?'
    if similar := get_close_matches(root[:64], [known for known in _ROOTS if known in scope.roots], n=1, cutoff=0.7):
        return f'nothing has the name "{root[:64]}"; did you mean {similar[0]}?'
    bound = ", ".join(sorted(scope.roots & _ROOTS.keys()))
    return f"nothing has the name \"{root[:64]}\" here ({bound} are bound); text stands in quotes, as '{root[:64]}'"


def _guess(name: str, names: Iterator[str] | Sequence[str] | dict[str, str]) -> str:
    similar = get_close_matches(name[:64], list(names), n=1, cutoff=0.6)
    return f'; did you mean "{similar[0]}"?' if similar else f"; there are {', '.join(names)}"
