"""A world in which executions with children meet everything that can happen to them, in any order.

It holds what the database would: a row for each child, by its place (step run, round, item), which a retry of the
parent hands on as `storage.families.inherit` does. What the parent is told comes late, twice, or before the word that
the child has started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.definition.plan import Json, Plan
from service.engine.advancing import Advance, open_commands
from service.engine.commands import CollectOutputs, FetchData, RunTask, SetTimer, StartChildren
from service.engine.observations import (
    Cancelled,
    ChildEnded,
    ChildrenStarted,
    DataFetched,
    Lost,
    OutputsCollected,
    Retried,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from service.engine.projecting import project
from service.engine.state import OPEN, PARKED
from service.engine.steps.sub_workflow import calls, orders
from tests.engine.graphs import Player

Place = tuple[str, int, int]
"""Where a child stands: key of the step run, round, item."""

ENDS = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "CANCELLED")
"""How children end, the likelier the more often."""

Happening = Callable[[], object]


@dataclass
class Row:
    """A child execution in the database."""

    id: str
    status: str = "STARTED"
    output: Json = None
    unwanted: bool = False  # it is to be cancelled

    @property
    def is_wanted(self) -> bool:
        return self.status == "STARTED" and not self.unwanted


class World(Player):
    """An execution, its children's rows, and what could happen next."""

    def __init__(self, plan: Plan, input: Json) -> None:
        self.rows: dict[Place, Row] = {}
        self.asked: dict[str, StartChildren] = {}  # children that have rows, while the parent does not know it
        self.words: list[ChildEnded] = []  # what the parent was told or will be
        self.made: list[Place] = []
        super().__init__(plan, input)

    def happenings(self) -> list[Happening]:
        """Everything that could happen next."""
        if self.state.status == "FAILED":
            return [self.retry, *self._of_children()]
        if self.state.status != OPEN:
            return []
        return [*self._of_commands(), *self._of_steps(), *self._of_children(), *self._of_execution()]

    def _of_execution(self) -> list[Happening]:
        return [partial(self.see, Lost("gone")), partial(self.see, Cancelled("no more"))]

    def _of_steps(self) -> list[Happening]:
        found: list[Happening] = []
        for run in self.state.open.values():
            status = "RUNNING" if run.status in PARKED else "DISABLED"
            found.append(partial(self._move, StepUpdated(run.step_id, status, run.visit)))
            if self.plan.step[run.step_id].type == "human.confirm" and run.status not in PARKED:
                found += [
                    partial(self.see, StepCompleted(run.step_id, run.visit, {"again": no})) for no in (True, False)
                ]
        return found

    def _of_commands(self) -> list[Happening]:
        found: list[Happening] = []
        for command in open_commands(self.plan, self.state):
            match command:
                case RunTask():
                    found.append(partial(self.see, TaskCompleted(command.key, command.attempt, {"again": False})))
                    error = {"code": "X", "message": "x", "retriable": True}
                    found.append(partial(self.see, TaskFailed(command.key, command.attempt, error)))
                case SetTimer():
                    found.append(partial(self.see, TimerFired(command.key)))
                case FetchData():
                    found += [partial(self.fetch, command, portion) for portion in (1, 3, 100)]
                    failure = {"code": "DATA_SOURCE_FAILED", "message": "down"}
                    found.append(partial(self.see, DataFetched(command.key, error=failure)))
                case StartChildren():
                    if command.key in self.asked:
                        found += [partial(self.tell_started, command.key)] * 3
                    else:
                        found += [partial(self.spawn, command, most) for most in (1, 2, 100)]
                case CollectOutputs():
                    found += [partial(self.collect, command)] * 3
        return found

    def _of_children(self) -> list[Happening]:
        found: list[Happening] = []
        for place, row in self.rows.items():
            if row.status == "STARTED":
                found += [
                    partial(self.end, place, status) for status in ("COMPLETED", "COMPLETED", "FAILED", "CANCELLED")
                ]
            elif row.status == "FAILED":
                found.append(partial(self._retry_child, row))
        found += [partial(self.see, word) for word in self.words[-4:]]
        return found

    # What a worker does.

    def fetch(self, command: FetchData, portion: int) -> None:
        asked = calls(self.plan, self.state, command, self.now)[:portion]
        assert asked
        about = [{} if call.item is None else {"item": call.item} for call in asked]
        fetched = [{"alias": call.alias, "value": 1, **item} for call, item in zip(asked, about, strict=True)]
        self.see(DataFetched(command.key, fetched))

    def spawn(self, command: StartChildren, most: int) -> None:
        """Store rows for the first of the children; the parent is told later."""
        ordered = orders(self.plan, self.state, command, self.now)[:most]
        assert [order.item for order in ordered] == list(command.items)[:most]
        self.asked[command.key] = StartChildren(command.key, command.round, command.items[:most])
        for order in ordered:
            place = (command.key, command.round, order.item)
            if place not in self.rows:
                self.rows[place] = Row(f"c{len(self.made)}")
                self.made.append(place)

    def tell_started(self, key: str) -> None:
        command = self.asked.pop(key)
        rows = {item: self.rows[key, command.round, item] for item in command.items}
        ended = [
            {"item": item, "id": row.id, "status": row.status, "size": 1}
            for item, row in rows.items()
            if row.status != "STARTED"
        ]
        self.see(ChildrenStarted(key, list(command.items), ended))

    def collect(self, command: CollectOutputs) -> None:
        self.see(OutputsCollected(command.key, self.outputs(command.key, command.round, command.items)))

    def outputs(self, key: str, round: int, items: int) -> list[Json]:
        rows = [self.rows.get((key, round, item)) for item in range(items)]
        return [row.output if row and row.status == "COMPLETED" else None for row in rows]

    # What happens to children.

    def end(self, place: Place, status: str) -> None:
        """End a child; its parent is told, now and perhaps again."""
        row = self.rows[place]
        row.status, row.output = status, row.id if status == "COMPLETED" else None
        key, round, item = place
        word = ChildEnded(key, round, item, row.id, status, 1)
        self.words.append(word)
        self.see(word)

    def _retry_child(self, row: Row) -> None:
        row.status, row.unwanted = "STARTED", False

    # What callers do.

    def _move(self, update: StepUpdated) -> None:
        self.asked.pop(f"{update.step_id}/{update.visit}", None)
        self.see(update)

    def retry(self) -> None:
        """Let the failed execution go on; what succeeded, or is under way, counts for the next visit."""
        self.asked.clear()
        lost = self.state.lost
        for entry in self.see(Retried()).entries:
            if "children" not in entry.data or not (earlier := lost.get(entry.data.get("retries", ""))):
                continue
            later = (f"{entry.step_id}/{entry.visit}", entry.data["children"]["round"])
            for place in [place for place in self.rows if place[:2] == (earlier.key, earlier.children.round)]:
                if self.rows[place].status == "COMPLETED" or self.rows[place].is_wanted:
                    self.rows[*later, place[2]] = self.rows.pop(place)

    def _keep(self, outcome: Advance) -> None:
        super()._keep(outcome)
        for step_id, visit in project(outcome.entries).cancelled:
            for (key, _, _), row in self.rows.items():
                if key == f"{step_id}/{visit}" and row.status == "STARTED":
                    row.unwanted = True
