"""A world in which executions wait for events, catch errors and are given up, while anything may happen to them.

Events come right, wrong, twice and late; what the engine refuses must change nothing.
"""

from __future__ import annotations

from hypothesis import strategies as st

from service.definition.plan import Json, Plan
from service.engine.advancing import Advance, open_commands
from service.engine.commands import RunTask, SetTimer
from service.engine.entries import Entry
from service.engine.folding import apply
from service.engine.observations import (
    Cancelled,
    EventDelivered,
    Lost,
    Observation,
    Retried,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    VariablesChanged,
)
from service.engine.projecting import Wait, project
from service.engine.run import Refused
from service.engine.state import OPEN, PARKED, State
from tests.engine.graphs import Player

ERRORS: tuple[dict[str, Json], ...] = (
    {"code": "X", "message": "x", "category": "UNKNOWN", "retriable": True},
    {"code": "Y", "message": "y", "category": "BUSINESS", "retriable": False},
    {"code": "Z", "message": "z", "category": "TIMEOUT", "retriable": True},
)
RESULTS: tuple[Json, ...] = ({"again": False}, {"again": True}, {"outcome": "X"}, None)


class EventWorld(Player):
    """An execution, what a reader knows of it from its ledger alone, and what could happen to it next."""

    def __init__(self, plan: Plan, input: Json) -> None:
        self.folded = State()
        self.waits: dict[tuple[str, int], Wait] = {}  # as a database would hold them
        self.delivered: list[EventDelivered] = []
        super().__init__(plan, input)

    def _keep(self, outcome: Advance) -> None:
        super()._keep(outcome)
        for entry in outcome.entries:
            apply(self.folded, Entry.from_dict(entry.to_dict()))
        projection = project(outcome.entries)
        for place, wait in projection.waits.items():
            if wait is None:
                self.waits.pop(place, None)
            else:
                self.waits[place] = wait
        if projection.execution.status:
            self.waits.clear()

    def tell(self, observation: Observation) -> bool:
        """Let something happen; gives whether the engine took it in, and holds it to changing nothing otherwise."""
        before = self.state.to_json()
        try:
            self.see(observation)
        except Refused:
            assert self.state.to_json() == before
            return False
        return True

    def happen(self, draw: st.DataObject) -> Observation:
        """Choose what happens next, and let it; gives what it was."""
        choices = [*self._of_commands(), *self._of_steps(), *self._of_events(draw), *self._of_variables(draw)]
        if self.state.status == "FAILED":
            choices.append(Retried())
        if draw.draw(st.integers(0, 15)) == 0:
            choices += self._of_execution() * 3
        chosen = choices[draw.draw(st.integers(0, len(choices) - 1))]
        if isinstance(chosen, EventDelivered):
            self.delivered.append(chosen)
        self.tell(chosen)
        return chosen

    def _of_commands(self) -> list[Observation]:
        found: list[Observation] = []
        for command in open_commands(self.plan, self.state):
            if isinstance(command, RunTask):
                found += [TaskCompleted(command.key, command.attempt, result) for result in RESULTS]
                found += [TaskFailed(command.key, command.attempt, error) for error in ERRORS]
                found.append(TaskFailed(command.key, command.attempt - 1, ERRORS[0]))  # too late
            elif isinstance(command, SetTimer):
                found += [TimerFired(command.key)] * 2
        return found

    def _of_steps(self) -> list[Observation]:
        found: list[Observation] = []
        for run in self.state.open.values():
            statuses = ("RUNNING", "RUNNING", "COMPLETED") if run.status in PARKED else ("DISABLED",)
            found += [StepUpdated(run.step_id, status, run.visit) for status in statuses]
            if self.plan.step[run.step_id].type == "human.confirm":
                for outcome in ("", "YES", "NO", "ERROR"):
                    found.append(StepCompleted(run.step_id, run.visit, {"again": False}, outcome))
        return found

    def _of_events(self, draw: st.DataObject) -> list[Observation]:
        """Events for what waits, for what has waited, and some that were there before."""
        places = [*self.waits, *self.waits, *self.waits, ("event_wait_2", 1), ("", 1)]
        place = places[draw.draw(st.integers(0, len(places) - 1))]
        number = draw.draw(st.integers(0, 12))
        payload = {"k": draw.draw(st.sampled_from([1, 2, 3, None, "x"]))}
        event = {"eventId": f"e{number}", "pattern": "p", "payload": payload, "metadata": {}}
        return [*[EventDelivered(*place, event)] * (2 if self.waits else 1), *self.delivered[-2:]]

    def _of_variables(self, draw: st.DataObject) -> list[Observation]:
        expected = self.state.number - draw.draw(st.integers(0, 1))
        value = draw.draw(st.integers(1, 3))
        return [VariablesChanged({"k": value}), VariablesChanged({"k": value}, expected)]

    def _of_execution(self) -> list[Observation]:
        return [
            Cancelled("no more", compensates=True),
            Cancelled("no more", source="SYSTEM", compensates=False),
            Lost("gone"),
        ]

    @property
    def opens(self) -> dict[tuple[str, int], dict[str, Json]]:
        """What the state says that is waited for, triggers aside."""
        return {(run.step_id, run.visit): run.wait for run in self.state.open.values() if run.wait is not None}

    @property
    def is_compensating(self) -> bool:
        """Tell whether what was done is being made up for."""
        return self.state.status != OPEN and self.state.undoing is not None
