"""What the raced executions run. Each waits for the event whose payload has the execution's own key."""

from __future__ import annotations

import itertools
from typing import Any

from bench.definitions import TASK, TASK_QUEUE

NAME = "soak.happened"
"""The name of every event; only the key tells whom one is for."""

TIMEOUT = 0.4
"""Seconds after which a wait of the timed definitions gives up."""

Step = dict[str, Any]


def _wait(id: str, pattern: str = NAME, **more: Any) -> Step:
    condition = "__event__.payload.key = __context__.key"
    return {"id": id, "type": "event.wait", "name": id, "pattern": pattern, "condition": condition, **more}


def _gateway(kind: str) -> Step:
    return {"id": kind, "type": f"gateway.parallel_{kind}", "name": kind}


def _definition(name: str, steps: list[Step], ways: str) -> dict[str, Any]:
    """Put steps on ways, which read `a > b > c; b > d on TIMEOUT`."""
    transitions: list[Step] = []
    for way in ways.split("; "):
        path, _, on = way.partition(" on ")
        stations = path.split(" > ")
        for source, target in itertools.pairwise(stations):
            transition = {"id": f"t{len(transitions) + 1}", "fromStepId": source, "toStepId": target}
            transitions.append(transition | ({"on": on} if on else {}))
    ends = [{"id": "start", "type": "start", "name": "start"}, {"id": "end", "type": "end", "name": "end"}]
    return {"id": f"soak-{name}", "name": name, "steps": [*ends, *steps], "stepTransitions": transitions}


_ASK: Step = {"id": "ask", "type": "human.confirm", "name": "ask"}
_TASK: Step = {"id": "task", "type": "task", "name": "task", "task": TASK, "taskQueue": TASK_QUEUE}
_MEET: Step = {"id": "meet", "type": "data.set", "name": "meet"}
_LATE: Step = {"id": "late", "type": "data.set", "name": "late", "values": {"late": True}}
_TIMED = {"timeout": f"PT{TIMEOUT}S"}

# An event may come before the execution itself: those that are raced against the start look back further.
DEFINITIONS: dict[str, dict[str, Any]] = {
    "once": _definition("once", [_wait("wait", lookBack="PT1H")], "start > wait > end"),
    "asked": _definition("asked", [_ASK, _wait("wait", "soak.*")], "start > ask > wait > end"),
    "tasked": _definition("tasked", [_TASK, _wait("wait", "*.happened")], "start > task > wait > end"),
    "tasked-back": _definition("tasked-back", [_TASK, _wait("wait", lookBack="PT1H")], "start > task > wait > end"),
    "pair": _definition("pair", [_wait("wait"), _wait("again")], "start > wait > again > end"),
    "fork": _definition(
        "fork",
        [_wait("wait"), _wait("again"), _gateway("split"), _gateway("join")],
        "start > split > wait > join > end; split > again > join",
    ),
    "timed-again": _definition(
        "timed-again",
        [_wait("wait", **_TIMED), _wait("again"), _MEET],
        "start > wait > meet > end; wait > again on TIMEOUT; again > meet",
    ),
    "timed-late": _definition(
        "timed-late",
        [_wait("wait", **_TIMED), _LATE, _MEET],
        "start > wait > meet > end; wait > late on TIMEOUT; late > meet",
    ),
}
