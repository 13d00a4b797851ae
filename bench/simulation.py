"""A batch in simulation: the engine alone, without a server, database or Temporal, over many children and over few.

The parent is asked and told as its workflow does it: entries go away as they come, and as soon as a child ends the next
one is started. Each child runs two tasks on the same engine. Times are of the CPU, so that other programs disturb them
less, and Python's garbage collector is on, as in a worker.

A hundred items are cheaper by nature: the first fifty start together in one move, which later ones have to themselves.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TypeVar

from bench.definitions import INPUT, TWO_TASKS, batch
from service.definition.compiling import examine
from service.definition.plan import Plan
from service.domain.json_text import Json
from service.embedded.problem import Problem
from service.engine.advancing import advance, may_proceed, open_commands
from service.engine.commands import CollectOutputs, RunTask, StartChildren
from service.engine.observations import (
    ChildEnded,
    ChildrenStarted,
    Observation,
    OutputsCollected,
    Proceeded,
    Started,
    TaskCompleted,
)
from service.engine.state import State
from service.engine.steps.sub_workflow import ChildOrder, orders

SIZES = {100: 20, 1_000: 3, 10_000: 1}
"""Items of a batch, with the batches in one round: of small ones several, for the sake of the clock."""

GOAL = 1.3
"""What an item of the largest batch may cost, beside one of the smallest."""

ROUNDS = 7

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RESULT: Json = {"done": True}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Simulated:
    """What batches of a size cost."""

    items: int
    parent: float  # microseconds of CPU of the parent's engine for each item
    children: float  # microseconds of the engine of each child
    state: int  # bytes of the largest state that was seen between two runs of the parent's workflow

    @property
    def steps_a_second(self) -> float:
        """Tasks that the engine takes through in a second, two for each item, the parent's share included."""
        return 2 * 1e6 / (self.parent + self.children)


@dataclass(frozen=True)
class Simulation:
    """The batches of each size, and the ratios within each round, the largest beside the smallest."""

    sizes: list[Simulated]
    ratios: list[float]  # of the parent's microseconds


def measure() -> Simulation:
    """Run batches of all sizes in turns."""
    parent, child = _plan(batch("child")), _plan(TWO_TASKS)
    _batches(parent, child, min(SIZES), 1)
    rounds = [[_batches(parent, child, items, times) for items, times in SIZES.items()] for _ in range(ROUNDS)]
    sizes = [_median(list(found)) for found in zip(*rounds, strict=True)]
    return Simulation(sizes, [found[-1].parent / found[0].parent for found in rounds])


def _median(found: list[Simulated]) -> Simulated:
    return Simulated(
        found[0].items,
        median(one.parent for one in found),
        median(one.children for one in found),
        max(one.state for one in found),
    )


def _batches(parent: Plan, child: Plan, items: int, times: int) -> Simulated:
    families = [_Family(parent, child) for _ in range(times)]
    for family in families:
        family.run(items)
    each = items * times
    return Simulated(
        items,
        sum(family.parent.seconds for family in families) / each * 1e6,
        sum(family.child_seconds for family in families) / each * 1e6,
        max(family.largest for family in families),
    )


def _plan(definition: dict[str, Json]) -> Plan:
    examined = examine("graph", definition)
    if examined.plan is None:
        raise Problem(f"a definition is refused: {examined.findings}")
    return examined.plan


class _Player:
    """One execution whose ledger goes away as it comes; keeps the seconds that its engine took."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = State()
        self.seconds = 0.0

    def see(self, observation: Observation) -> None:
        """Tell the engine, and let it make all its moves."""
        self._timed(lambda: self._advance(observation))

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask the engine something."""
        return self._timed(question)

    def _advance(self, observation: Observation) -> None:
        self.state = advance(self.plan, self.state, observation, NOW).state
        while may_proceed(self.state):
            self.state = advance(self.plan, self.state, Proceeded(), NOW).state

    def _timed(self, work: Callable[[], Answer]) -> Answer:
        began = time.thread_time()
        answer = work()
        self.seconds += time.thread_time() - began
        return answer


class _Family:
    """A parent and its children, of whom the one that has run longest ends next."""

    def __init__(self, parent: Plan, child: Plan) -> None:
        self.parent = _Player(parent)
        self.child_seconds = 0.0
        self.largest = 0
        self._child = child
        self._running: deque[ChildOrder] = deque()
        self._outputs: dict[int, str] = {}

    def run(self, items: int) -> None:
        """Play the batch to its end."""
        parent = self.parent
        parent.see(Started(INPUT | {"items": list(range(items))}))
        while commands := parent.ask(lambda: open_commands(parent.plan, parent.state)):
            self._obey(commands[0])
        while self._running:
            self._end_one()
            for command in parent.ask(lambda: open_commands(parent.plan, parent.state)):
                self._obey(command)
        if parent.state.status != "COMPLETED":
            raise Problem(f"the simulated batch is {parent.state.status}")

    def _obey(self, command: object) -> None:
        parent = self.parent
        match command:
            case StartChildren():
                wanted = parent.ask(lambda: orders(parent.plan, parent.state, command, NOW))
                self._running.extend(wanted)
                parent.see(ChildrenStarted(command.key, list(command.items)))
                self._measure_state(command)
            case CollectOutputs():
                outputs = [json.loads(self._outputs[item]) for item in range(command.items)]
                parent.see(OutputsCollected(command.key, outputs))

    def _measure_state(self, command: StartChildren) -> None:
        """Look at the state now and then, since that takes longer than the rest."""
        if command.items[-1] % 1_000 == 99:
            self.largest = max(self.largest, len(self.parent.state.to_json()))

    def _end_one(self) -> None:
        order = self._running.popleft()
        output = self._outputs[order.item] = self._play(order)
        step = self.parent.state.open["children/1"]
        round = step.children.round if step.children else 0
        self.parent.see(ChildEnded(step.key, round, order.item, f"c{order.item}", "COMPLETED", len(output)))

    def _play(self, order: ChildOrder) -> str:
        """Run one child from its start to its end; gives its output as JSON."""
        child = _Player(self._child)
        child.see(Started(order.input))
        while commands := child.ask(lambda: open_commands(child.plan, child.state)):
            (task,) = commands
            if isinstance(task, RunTask):
                child.see(TaskCompleted(task.key, task.attempt, RESULT))
        if child.state.status != "COMPLETED":
            raise Problem(f"a simulated child is {child.state.status}")
        self.child_seconds += child.seconds
        return json.dumps(child.state.results["task2"].output)
