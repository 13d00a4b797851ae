"""Two attempts at the same story: what the first has written is what happened, and what only the second heard is added.

A longer run: `HEDDLE_EXAMPLES=3000 python -m pytest tests/engine/test_pending.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.advancing import advance, may_proceed
from service.engine.entries import Entry
from service.engine.folding import fold
from service.engine.observations import (
    Cancelled,
    Lost,
    Observation,
    Proceeded,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    VariablesChanged,
)
from service.engine.pending import Pending
from service.engine.projecting import project
from service.engine.run import Refused
from service.engine.state import OPEN, State
from tests.engine.graphs import NOW, Player, a_plan
from tests.engine.random_events import EventWorld
from tests.engine.random_plans import undoable_plans

EXAMPLES = int(os.environ.get("HEDDLE_EXAMPLES", "30"))
THOROUGH = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
INPUTS = st.fixed_dictionaries({"p": st.booleans(), "q": st.booleans()})
NUMBERS = count()
LATER = NOW + timedelta(seconds=10)
PLAN = a_plan("start > ps; ps > task_a, b; task_a > pj; b > c; c > b2; b2 > pj; pj > end")


class Attempt:
    """Somebody who judges, as a workflow does, from a state of which all is stored."""

    def __init__(self, plan, state: State, now) -> None:
        self.plan, self.state, self.now = plan, state, now
        self.pending = Pending(state)

    def hear(self, observation: Observation) -> bool:
        try:
            outcome = advance(self.plan, self.state, observation, self.now)
        except Refused:
            self.pending.add(observation, ())
            return False
        self.state = outcome.state
        self.pending.add(observation, outcome.entries)
        while may_proceed(self.state):
            self.hear(Proceeded())
        return True

    def adopt(self, stored: list[Entry]) -> list[Entry]:
        """Learn what is stored; gives what remains to be written."""
        self.pending.begin(self.state)
        self.state = self.pending.adopt(self.plan, stored, self.now)
        while may_proceed(self.state):
            self.hear(Proceeded())
        return self.pending.entries


def asked(observation, id="r"):
    return replace(observation, request={"id": id, "method": "m", "digest": "d"})


def test_what_came_before_is_kept_and_what_came_between_is_judged_behind_it():
    player = Player(PLAN)
    before = list(player.entries)
    task = TaskCompleted("task_a/1", 1, {"paid": True})
    first, second = Attempt(PLAN, player.state, NOW), Attempt(PLAN, player.state, LATER)
    first.hear(task)
    stored = first.pending.entries
    second.hear(asked(StepCompleted("b")))
    second.hear(task)
    assert [entry.step_id for entry in second.pending.entries] == ["b", "c", "task_a", "pj"]

    rest = second.adopt(stored)

    assert [entry.step_id for entry in rest] == ["b", "c"]
    assert fold([*before, *stored, *rest]) == second.state
    assert second.pending.written == stored[-1].number


def test_a_call_that_is_stored_is_not_taken_in_again_although_it_would_fit():
    plan = a_plan("start > b; b > xs; xs > b if __steps__.b.again, end")
    player = Player(plan)
    first, second = Attempt(plan, player.state, NOW), Attempt(plan, player.state, LATER)
    for attempt in (first, second):
        attempt.hear(asked(StepCompleted("b", output={"again": True})))

    assert second.adopt(first.pending.entries) == []
    assert list(second.state.open) == ["b/2"]


def test_a_call_is_known_by_its_request_until_it_is_stored():
    player = Player(PLAN)
    attempt = Attempt(PLAN, player.state, NOW)
    call = asked(StepCompleted("b"))
    attempt.hear(call)
    assert attempt.pending.holds(call)
    assert not attempt.pending.holds(asked(StepCompleted("b"), "other"))
    assert not attempt.pending.holds(StepCompleted("b"))

    attempt.pending.begin(attempt.state)
    assert attempt.pending.holds(call)
    attempt.pending.end()
    assert not attempt.pending.holds(call)


def test_what_the_other_story_refused_is_judged_by_the_true_one():
    player = Player(PLAN)
    first, second = Attempt(PLAN, player.state, NOW), Attempt(PLAN, player.state, LATER)
    first.hear(StepCompleted("b"))
    second.hear(Cancelled("no more"))
    assert not second.hear(asked(StepCompleted("c")))

    rest = second.adopt(first.pending.entries)

    assert [entry.type for entry in rest] == ["STEP_CANCELLED", "STEP_CANCELLED", "EXECUTION_CANCELLED"]
    assert fold([*player.entries, *first.pending.entries, *rest]) == second.state


def of_a_workflow(world, data) -> Observation:
    """Draw what a workflow may be told next."""
    choices = [*world._of_commands(), *world._of_steps(), *world._of_events(data), *world._of_variables(data)]
    if data.draw(st.integers(0, 9)) == 0:
        choices += [one for one in world._of_execution() if not isinstance(one, Lost)]
    chosen = choices[data.draw(st.integers(0, len(choices) - 1))]
    if isinstance(chosen, StepCompleted | StepUpdated | VariablesChanged):
        return asked(chosen, f"r{next(NUMBERS)}")
    return chosen


@THOROUGH
@given(undoable_plans(), st.data())
def test_whatever_two_attempts_heard_nothing_is_lost_or_doubled(plan, data):
    world = EventWorld(plan, data.draw(INPUTS))
    for _ in range(data.draw(st.integers(0, 8))):
        if world.state.status == OPEN:
            world.tell(of_a_workflow(world, data))
    before = list(world.entries)
    first, second = Attempt(plan, world.state, NOW), Attempt(plan, world.state, LATER)
    between = [of_a_workflow(world, data) for _ in range(data.draw(st.integers(0, 4)))]
    heard = []
    for _ in range(data.draw(st.integers(1, 4))):
        heard.append(of_a_workflow(world, data))
        world.tell(heard[-1])
    for observation in heard:
        first.hear(observation)
    for observation in [*between, *heard]:
        second.hear(observation)
    stored = first.pending.entries

    rest = second.adopt(stored) if stored else second.pending.entries

    ledger = [*before, *stored, *rest]
    assert [entry.number for entry in ledger] == list(range(1, len(ledger) + 1))
    assert fold(Entry.from_dict(entry.to_dict()) for entry in ledger).to_json() == second.state.to_json()
    assert_once(ledger)
    assert_nothing_lost(second.state, [*between, *heard])

    third = Attempt(plan, fold(before), LATER)  # it dies again
    for observation in [*between, *heard]:
        third.hear(observation)
    if third.pending.entries:
        more = third.adopt([*stored, *rest])
        assert_once([*ledger, *more])
        if not stored:
            assert more == []


def assert_once(ledger):
    requests = Counter(entry.data["request"]["id"] for entry in ledger if "request" in entry.data)
    events = Counter(event for event, _, _ in project(ledger).consumed)
    ends = ("STEP_COMPLETED", "STEP_FAILED", "STEP_SKIPPED", "STEP_CANCELLED")
    runs = Counter((entry.step_id, entry.visit) for entry in ledger if entry.type in ends)
    for counted in (requests, events, runs):
        assert set(counted.values()) <= {1}, counted


def assert_nothing_lost(state, heard):
    if any(isinstance(one, StepUpdated) for one in heard):
        return  # what is disabled and set free asks for its task once more
    for one in heard:
        if isinstance(one, TaskCompleted | TaskFailed) and (run := state.open.get(one.key)):
            assert (run.attempt, run.due) != (one.attempt, None)
