"""Random well-formed definitions with loops, gateways and every kind of step, for property tests.

A plan grows from start → end by replacing a transition again and again: with a step on it, a loop around it, a choice,
a pair of parallel branches that join, or branches that converge without a join. Extra joins and crossing transitions
make shapes that no block structure would give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from service.definition.plan import CancellationTrigger, Compensation, Json, Plan, Step, Transition
from tests.engine.graphs import RETRY

CONDITIONS = (
    "__context__.p",
    "__context__.q",
    "__context__.nope",
    "__steps__.{human}.outputData.again",
    "true",
    "false",
)


_SOURCE = {"type": "T", "id": "x", "timeout": 5.0, "retry": {}}

_BATCHES = st.fixed_dictionaries(
    {
        "mode": st.just("BATCH"),
        "items": st.integers(1, 6).map(
            lambda number: {"expression": f"[1..{number}]"}
        ),  # a loop over nothing runs away
        "concurrency": st.integers(1, 4),
        "collect": st.booleans(),
        "sources": st.sets(st.sampled_from(["step", "other", "each", "own"]), max_size=3).map(
            lambda names: [{**_SOURCE, "alias": name, "each": name in ("each", "own")} for name in sorted(names)]
        ),
    },
    optional={
        "tolerated": st.one_of(
            st.integers(0, 3).map(lambda count: {"count": count}),
            st.sampled_from([0, 20, 50, 100]).map(lambda share: {"percentage": share}),
        ),
        "waitForAll": st.booleans(),
    },
)
_SINGLES = st.fixed_dictionaries(
    {
        "mode": st.just("SINGLE"),
        "concurrency": st.just(50),
        "collect": st.just(True),
        "sources": st.sampled_from([[], [{**_SOURCE, "alias": "step"}]]),
    }
)
FAMILIES = st.one_of(_BATCHES, _SINGLES).map(lambda settings: {"version": "child", "mapping": [], **settings})
"""Settings of steps with child executions."""


@dataclass
class Sketch:
    """A graph while it grows: steps by id, edges as [source, target] or [source, target, on]."""

    steps: dict[str, str] = field(default_factory=lambda: {"start": "start", "end": "end"})
    edges: list[list[str]] = field(default_factory=lambda: [["start", "end"]])

    def add(self, type: str) -> str:
        id = f"{type.replace('.', '_')}_{len(self.steps)}"
        self.steps[id] = type
        return id

    def put(self, edge: list[str], first: str, last: str) -> None:
        """Lead an edge through a part of the graph."""
        target = edge[1]
        edge[1] = first
        self.edges.append([last, target])


def _work(sketch: Sketch, edge: list[str], type: str) -> None:
    step = sketch.add(type)
    sketch.put(edge, step, step)


def _fork(sketch: Sketch, edge: list[str], split: str, merge: str, branches: int) -> None:
    first, last = sketch.add(split), sketch.add(merge)
    sketch.put(edge, first, last)
    for _ in range(branches):
        middle = sketch.add("human.confirm")
        sketch.edges += [[first, middle], [middle, last]]


def _beside(sketch: Sketch, edge: list[str], type: str) -> None:
    first, last = sketch.add("gateway.parallel_split"), sketch.add("gateway.parallel_join")
    sketch.put(edge, first, last)
    for _ in range(2):
        middle = sketch.add(type)
        sketch.edges += [[first, middle], [middle, last]]


def _loop(sketch: Sketch, edge: list[str], type: str) -> None:
    body, split = sketch.add(type), sketch.add("gateway.exclusive_split")
    sketch.put(edge, body, split)
    sketch.edges += [[body, split], [split, body]]


GROWTH = {
    "human": lambda sketch, edge: _work(sketch, edge, "human.confirm"),
    "task": lambda sketch, edge: _work(sketch, edge, "task"),
    "timer": lambda sketch, edge: _work(sketch, edge, "timer"),
    "parallel": lambda sketch, edge: _fork(sketch, edge, "gateway.parallel_split", "gateway.parallel_join", 2),
    "inclusive": lambda sketch, edge: _fork(sketch, edge, "gateway.inclusive_split", "gateway.parallel_join", 3),
    "choice": lambda sketch, edge: _fork(sketch, edge, "gateway.exclusive_split", "human.confirm", 2),
    "torn": lambda sketch, edge: _fork(sketch, edge, "gateway.exclusive_split", "gateway.parallel_join", 2),
    "many": lambda sketch, edge: _fork(sketch, edge, "gateway.parallel_split", "human.confirm", 2),
    "loop": lambda sketch, edge: _loop(sketch, edge, "human.confirm"),
    "loop_task": lambda sketch, edge: _loop(sketch, edge, "task"),
}

FAMILY_GROWTH = {
    **GROWTH,
    "family": lambda sketch, edge: _work(sketch, edge, "sys.sub_workflow"),
    "more_family": lambda sketch, edge: _work(sketch, edge, "sys.sub_workflow"),
    "families": lambda sketch, edge: _beside(sketch, edge, "sys.sub_workflow"),
    "loop_family": lambda sketch, edge: _loop(sketch, edge, "sys.sub_workflow"),
}
"""Likewise with steps that have child executions."""


def _catch(sketch: Sketch, edge: list[str], type: str, names: tuple[str, ...], handler: str) -> None:
    """Put a step on an edge whose outcomes or errors lead by other ways to the same place, or back to it."""
    step, target = sketch.add(type), edge[1]
    sketch.put(edge, step, step)
    for number, name in enumerate(names):
        behind = sketch.add(handler)
        sketch.edges += [[step, behind, name], [behind, step if number else target]]


def _give_up(sketch: Sketch, edge: list[str]) -> None:
    split, failing = sketch.add("gateway.exclusive_split"), sketch.add("fail")
    sketch.put(edge, split, split)
    sketch.edges.append([split, failing])


EVENT_GROWTH = {
    **GROWTH,
    "set": lambda sketch, edge: _work(sketch, edge, "data.set"),
    "wait": lambda sketch, edge: _work(sketch, edge, "event.wait"),
    "waits": lambda sketch, edge: _beside(sketch, edge, "event.wait"),
    "loop_wait": lambda sketch, edge: _loop(sketch, edge, "event.wait"),
    "late": lambda sketch, edge: _catch(sketch, edge, "event.wait", ("TIMEOUT", "ERROR"), "task"),
    "refused": lambda sketch, edge: _catch(sketch, edge, "task", ("X", "BUSINESS"), "task"),
    "broken": lambda sketch, edge: _catch(sketch, edge, "task", ("ERROR", "X"), "task"),
    "failed": lambda sketch, edge: _catch(sketch, edge, "task", ("ERROR",), "human.confirm"),
    "decided": lambda sketch, edge: _catch(sketch, edge, "human.confirm", ("YES", "NO"), "task"),
    "unset": lambda sketch, edge: _catch(sketch, edge, "data.set", ("ERROR",), "task"),
    "give_up": _give_up,
}
"""Likewise with what catches, waits for events, sets variables and gives up."""

JOIN = "gateway.parallel_join"
SPLITS = ("gateway.parallel_split", "gateway.inclusive_split")


Growth = Mapping[str, Callable[[Sketch, list[str]], None]]


@st.composite
def plans(draw: st.DrawFn, growth: Growth = GROWTH, most: int = 7) -> Plan:
    """Draw a plan that the definition's checks would accept, grown at most so many times."""
    sketch = Sketch()
    for _ in range(draw(st.integers(1, most))):
        growth[draw(st.sampled_from(sorted(growth)))](sketch, draw(st.sampled_from(sketch.edges)))
    for _ in range(draw(st.integers(0, 3))):
        _cross(sketch, draw)
    _lead_all_to_one_end(sketch)
    return _plan(sketch, draw)


def _cross(sketch: Sketch, draw: st.DrawFn) -> None:
    """Lead one more branch from a split to some step elsewhere: forward, backward or into another round."""
    splits = [id for id, type in sketch.steps.items() if type in SPLITS]
    targets = [id for id, type in sketch.steps.items() if type in (JOIN, "human.confirm", "task")]
    if splits and targets:
        edge = [draw(st.sampled_from(splits)), draw(st.sampled_from(targets))]
        if edge not in sketch.edges:
            sketch.edges.append(edge)


def _lead_all_to_one_end(sketch: Sketch) -> None:
    into_end = [edge for edge in sketch.edges if edge[1] == "end"]
    if len(into_end) > 1:
        last = sketch.add("human.confirm")
        for edge in into_end:
            edge[1] = last
        sketch.edges.append([last, "end"])


def _plan(sketch: Sketch, draw: st.DrawFn) -> Plan:
    humans = [id for id, type in sketch.steps.items() if type == "human.confirm"] or ["start"]
    transitions = []
    for number, (source, target, *on) in enumerate(sketch.edges):
        conditional = sketch.steps[source] in ("gateway.exclusive_split", "gateway.inclusive_split")
        is_first = source not in [edge[0] for edge in sketch.edges[:number]]
        condition = None
        if conditional and not is_first:
            condition = draw(st.sampled_from(CONDITIONS)).format(human=draw(st.sampled_from(humans)))
        transitions.append(
            Transition(
                f"t{number}",
                source,
                target,
                condition=condition,
                is_default=conditional and is_first,
                on=on[0] if on else None,
                input=draw(st.sampled_from(HANDED)) if on and sketch.steps[target] == "task" else None,
            )
        )
    return Plan("random", tuple(_step(id, type, draw) for id, type in sketch.steps.items()), tuple(transitions))


_TOLD = {"why": "{% __error__.code %}", "was": "{% __failed__.input %}"}
HANDED = (None, _TOLD, _TOLD, _TOLD, {"why": "{% $error('no') %}"})
"""What transitions give to tasks."""

_KEYED = {
    "condition": "__event__.payload.k = __variables__.k",
    "keyPath": "payload.k",
    "keyExpression": "__variables__.k",
    "keyMoves": True,
}
WAITS = st.fixed_dictionaries(
    {"pattern": st.sampled_from(["p", "q.*"])},
    optional={
        "timeout": st.sampled_from([1.0, 3600.0]),
        "mapping": st.sampled_from([{"k": "k"}, {"other": "none.such"}]),
        "lookBack": st.just(60.0),
    },
)
WAITS = st.one_of(WAITS, WAITS.map(lambda settings: {**settings, **_KEYED}))
"""Settings of steps that wait for events."""

VALUES = ({"k": 1}, {"k": "{% __variables__.k + 1 %}"}, {"k": "{% $error('no') %}"}, {})
"""What steps set."""


def _step(id: str, type: str, draw: st.DrawFn) -> Step:
    settings: dict[str, Json] = {}
    if type == "task":
        settings = {"task": "random", "taskQueue": "q", "retry": RETRY, "timeout": 60.0}
    if type == "timer":
        settings = {"duration": 0.01}
    if type == "sys.sub_workflow":
        settings = draw(FAMILIES)
    if type == "event.wait":
        settings = draw(WAITS)
    if type == "data.set":
        settings = {"values": draw(st.sampled_from(VALUES))}
    if type == "fail":
        settings = {"code": "GIVEN_UP"}
    return Step(id, type, id, settings=settings)


_OWN = (None, {"was": "{% __original__.output %}", "why": "{% __cancellation__.reason %}"}, {"x": "{% $error('no') %}"})
_HOLDING = (None, None, "__context__.p", "__original__.visit = 1", "$error('no')")
_UNDOABLE = ("task", "human.confirm", "event.wait", "data.set", "timer", "sys.sub_workflow")


@st.composite
def undoable_plans(draw: st.DrawFn, growth: Growth = EVENT_GROWTH) -> Plan:
    """Draw a plan with compensations and events that cancel."""
    plan = draw(plans(growth, 5))
    compensations = []
    for step in plan.steps:
        for number in range(draw(st.integers(0, 2)) if step.type in _UNDOABLE else 0):
            retry = {**RETRY, "maxAttempts": draw(st.integers(1, 2))}
            settings = {"task": "undo", "taskQueue": "q", "retry": retry, "timeout": 60.0}
            if (own := draw(st.sampled_from(_OWN))) is not None:
                settings["input"] = own
            undo = Step(f"{step.id}.undo{number}", "task", "undo", settings=settings)
            compensations.append(Compensation(step.id, undo, draw(st.sampled_from(_HOLDING))))
    triggers = draw(st.lists(WAITS.map(_without_timeout), max_size=2))
    return replace(
        plan,
        compensations=tuple(compensations),
        compensates_failure=draw(st.booleans()),
        cancellation_triggers=tuple(
            CancellationTrigger(settings, compensates=draw(st.booleans())) for settings in triggers
        ),
    )


def _without_timeout(settings: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in settings.items() if name not in ("timeout", "mapping", "keyMoves")}
