"""What holds for every definition with events, errors that are caught, and compensations, whatever happens to it.

A longer run: `HEDDLE_EXAMPLES=3000 python -m pytest tests/engine/test_random_events.py`.
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.advancing import open_commands, phase
from service.engine.observations import EventDelivered, StepUpdated, VariablesChanged
from service.engine.projecting import project
from service.engine.state import OPEN, State
from tests.engine.graphs import runs_by_the_table
from tests.engine.random_events import EventWorld
from tests.engine.random_plans import undoable_plans

TURNS = 25
EXAMPLES = int(os.environ.get("HEDDLE_EXAMPLES", "30"))
THOROUGH = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
INPUTS = st.fixed_dictionaries({"p": st.booleans(), "q": st.booleans()})


def play(plan, data, look=lambda world: None, turns=TURNS) -> EventWorld:
    world = EventWorld(plan, data.draw(INPUTS))
    look(world)
    for _ in range(turns):
        if world.state.is_over and world.state.status != "FAILED":
            break
        world.happen(data)
        look(world)
    return world


def ended_with(world, place):
    """The entries with which a step run ended."""
    ends = ("STEP_COMPLETED", "STEP_FAILED", "STEP_SKIPPED", "STEP_CANCELLED")
    return [entry for entry in world.entries if (entry.step_id, entry.visit) == place and entry.type in ends]


@THOROUGH
@given(undoable_plans(), st.data())
def test_it_ends_or_waits_for_something_that_has_a_name(plan, data):
    def look(world):
        state = world.state
        assert state.is_over or state.open
        assert state.status != OPEN or not state.tokens
        assert phase(plan, state) == "COMPENSATING" if world.is_compensating else phase(plan, state)
        assert {command.key for command in open_commands(plan, state)} <= set(state.open)

    play(plan, data, look)


@THOROUGH
@given(undoable_plans(), st.data())
def test_the_ledger_alone_and_the_json_tell_the_state_at_any_time(plan, data):
    def look(world):
        text = world.state.to_json()
        assert world.folded.to_json() == text
        assert State.from_json(text) == world.state
        assert State.from_json(text).to_json() == text
        assert open_commands(plan, State.from_json(text)) == open_commands(plan, world.state)

    play(plan, data, look)


@THOROUGH
@given(undoable_plans(), st.data())
def test_what_readers_know_of_waits_is_what_is_waited_for(plan, data):
    def look(world):
        told = {place: wait for place, wait in world.waits.items() if place[0]}
        assert set(told) == set(world.opens)
        for place, wait in told.items():
            awaited = world.opens[place]
            assert (wait.pattern, wait.key_value) == (awaited["pattern"], awaited.get("keyValue", ""))
        triggers = {place for place in world.waits if not place[0]}
        if world.state.status == OPEN and "EXECUTION_RETRIED" not in {entry.type for entry in world.entries}:
            assert triggers == {("", place) for place in range(1, len(plan.cancellation_triggers) + 1)}
        if world.state.status != OPEN:
            assert not triggers

    play(plan, data, look)


@THOROUGH
@given(undoable_plans(), st.data())
def test_an_event_is_taken_at_most_once_and_a_wait_has_one_outcome(plan, data):
    world = play(plan, data)

    taken = Counter(event for event, _, _ in project(world.entries).consumed)
    assert set(taken.values()) <= {1}
    assert set(taken) == set(world.state.consumed)
    waits = {(e.step_id, e.visit) for e in world.entries if e.visit and plan.step[e.step_id].type == "event.wait"}
    for place in waits:
        is_open = f"{place[0]}/{place[1]}" in world.state.open
        assert len(ended_with(world, place)) == (0 if is_open else 1)


@THOROUGH
@given(undoable_plans(), st.data())
def test_what_was_completed_is_made_up_for_in_reverse_and_nothing_else_begins(plan, data):
    world = play(plan, data)
    given_up = [e for e in world.entries if e.type in ("EXECUTION_CANCELLED", "EXECUTION_FAILED")]

    done = [
        (entry.step_id, entry.visit)
        for entry in world.entries
        if entry.type == "STEP_COMPLETED" and entry.step_id not in plan.compensation
    ]
    undone = [entry for entry in given_up if "compensation" in entry.data]
    assert len(undone) <= 1
    for entry in undone:
        parts = [(part["step_id"], part["visit"]) for part in entry.data["compensation"]]
        skipped = {(part["id"], part["visit"]) for part in entry.data.get("skipped", ())}
        assert [done.index(part) for part in parts] == sorted((done.index(part) for part in parts), reverse=True)
        planned = [(part["id"], part["visit"]) for part in entry.data["compensation"]]
        assert len(planned) == len(set(planned))
        whole = Counter((one.step.id, visit) for one in plan.compensations for step, visit in done if one.of == step)
        assert Counter([*planned, *skipped]) == whole
        later = [after for after in world.entries if after.number > entry.number]
        begun = list(dict.fromkeys((after.step_id, after.visit) for after in later if after.visit))
        assert [step for step, _ in begun] == [part["id"] for part in entry.data["compensation"][: len(begun)]]
        assert len(set(begun)) == len(begun)
        ends = [after for after in later if after.type == "EXECUTION_COMPENSATED"]
        assert len(ends) == (world.state.undoing is None)
        for end in ends:
            assert end is world.entries[-1]
            failed = Counter(after.step_id for after in later if after.type in ("STEP_FAILED", "STEP_CANCELLED"))
            never_begun = Counter(part["id"] for part in entry.data["compensation"][len(begun) :])
            assert Counter(one["id"] for one in end.data["failed"]) == failed + never_begun
            assert end.data["status"] == ("COMPLETED_WITH_ERRORS" if failed + never_begun else "COMPLETED")


@THOROUGH
@given(undoable_plans(), st.data())
def test_an_error_that_is_caught_never_fails_the_execution_and_another_always_does(plan, data):
    world = play(plan, data)

    for number, entry in enumerate(world.entries):
        if entry.type != "STEP_FAILED" or entry.step_id in plan.compensation:
            continue
        rest = world.entries[number + 1 :]
        end = next((after for after in rest if after.type == "EXECUTION_FAILED"), None)
        if "taken" in entry.data:
            (way,) = entry.data["taken"]
            error = entry.data["error"]
            assert plan.transition[way].on in (error["code"], error.get("category"), "ERROR")
        else:
            assert end is not None
            assert end.data["error"]["step_id"] == entry.step_id
            between = rest[: rest.index(end)]
            assert {one.type for one in between} <= {"STEP_SKIPPED", "STEP_CANCELLED"}


@THOROUGH
@given(undoable_plans(), st.data())
def test_no_token_is_lost_or_made_up(plan, data):
    def look(world):
        came: Counter[str] = Counter({"": 1})
        went: Counter[str] = Counter()
        for entry in world.entries:
            came.update(entry.data.get("taken", ()))
            if entry.type != "TOKEN_ARRIVED":
                went.update(entry.data.get("via", ()))
        held = Counter(world.state.tokens)
        for arrived in world.state.arrived.values():
            held.update(arrived)
        assert not went - came
        if world.state.status in (OPEN, "FAILED"):
            assert came - went == held

    play(plan, data, look)


@THOROUGH
@given(undoable_plans(), st.data())
def test_what_happens_twice_happened_once(plan, data):
    world = EventWorld(plan, data.draw(INPUTS))
    for _ in range(TURNS):
        before = world.state.number
        observation = world.happen(data)
        if isinstance(observation, StepUpdated | VariablesChanged) or world.state.number == before:
            continue
        once = world.state.to_json()
        if isinstance(observation, EventDelivered):
            assert world.tell(observation)
        else:
            world.tell(observation)
        if type(observation).__name__ != "Retried":
            assert world.state.to_json() == once


@THOROUGH
@given(undoable_plans(), st.data())
def test_every_step_run_lives_by_the_table(plan, data):
    world = play(plan, data)

    runs_by_the_table(world.entries)


def test_all_of_it_does_happen():
    """The other tests say something only when events are taken, errors caught, and completed steps made up for."""
    seen: set[str] = set()

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(undoable_plans(), st.data())
    def gather(plan, data):
        for entry in play(plan, data).entries:
            seen.update((entry.type, *(f"{entry.type} {name}" for name in entry.data)))

    gather()

    assert {
        "EXECUTION_COMPENSATED",
        "EXECUTION_RETRIED",
        "WAIT_CHANGED",
        "VARIABLES_CHANGED",
        "STEP_COMPLETED event",
        "EXECUTION_CANCELLED event",
        "EXECUTION_CANCELLED compensation",
        "EXECUTION_FAILED compensation",
        "STEP_FAILED taken",
        "STEP_STARTED handed",
    } <= seen
