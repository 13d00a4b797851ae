"""What a workflow has not written yet, told in portions that fit into Temporal's messages."""

from __future__ import annotations

import pytest

from service.engine.entries import Entry
from service.engine.observations import Cancelled, Proceeded, StepCompleted, TaskCompleted
from service.engine.state import State, json_size
from service.plans import Plans
from service.temporal import workflow
from service.temporal.orders import Order
from service.temporal.pacing import FULL_MESSAGE
from service.temporal.workflow import ExecutionWorkflow
from tests.engine.graphs import RETRY, Player, a_plan

LARGE = {"text": "x" * 200_000}
TASKS = [f"task_{number}" for number in range(12)]
PICTURE = f"start > a; a > ps; ps > {', '.join(TASKS)}; {'; '.join(f'{id} > pj' for id in TASKS)}; pj > b; b > end"
UNDO = {"id": "undo", "condition": None, "settings": {"retry": {**RETRY, "maxAttempts": 1}}}


@pytest.fixture
def unwritten(monkeypatch):
    """Give the workflow of a player that has written nothing since an entry."""

    def make(player, after):
        monkeypatch.setattr(workflow, "plans", Plans(lambda *_: player.plan.to_json()))
        made = ExecutionWorkflow(Order("w", "e", "p", State().to_json()))
        made._state = player.state
        made._pending.add(Proceeded(), [entry for entry in player.entries if entry.number > after])
        return made

    return make


def portions(made):
    """Ask for all of it, as a server does."""
    found, after = [], 0
    while True:
        batch = made.unwritten(after)
        found.append(batch)
        if not batch.upto:
            return found
        after = batch.entries[-1]["number"]


def test_what_fits_into_a_message_is_told_whole(unwritten):
    player = Player(a_plan(PICTURE), {"small": True})

    (batch,) = portions(unwritten(player, 0))

    assert [Entry.from_dict(entry) for entry in batch.entries] == player.entries
    assert batch.phase == "WAITING_FOR_INPUT"


def test_what_does_not_is_told_in_portions_each_with_the_phase_behind_it(unwritten):
    player = Player(a_plan(PICTURE), LARGE)
    player.complete("a")

    batches = portions(unwritten(player, 0))

    assert [Entry.from_dict(entry) for batch in batches for entry in batch.entries] == player.entries
    assert all(json_size(batch.entries) < FULL_MESSAGE + 10_000 for batch in batches)
    assert {batch.phase for batch in batches} == {"RUNNING"}
    assert len(batches) > 4


def test_an_end_within_the_portions_is_followed_by_compensating(unwritten):
    player = Player(a_plan(PICTURE, compensations=[{"of": "a", **UNDO}]), LARGE)
    before = player.state.number
    player.see(StepCompleted("a", output=LARGE))
    player.see(Cancelled("no more", source="USER"))
    begun = player.state.number
    player.see(TaskCompleted(player.state.open and next(iter(player.state.open)), 1, LARGE))
    made = unwritten(player, before)

    phases = [(batch.phase, [entry["type"] for entry in batch.entries]) for batch in portions(made)]

    assert player.state.undone
    end = next(place for place, (_, types) in enumerate(phases) if "EXECUTION_CANCELLED" in types)
    assert [phase for phase, _ in phases[:end]] == ["RUNNING"] * end
    assert {phase for phase, _ in phases[end:-1]} <= {"COMPENSATING"}
    assert phases[-1][0] == "NONE"
    assert begun < player.state.number


def test_a_single_entry_goes_whole_however_large_it_is(unwritten):
    player = Player(a_plan("start > a; a > end"), {"text": "x" * 700_000})

    batches = portions(unwritten(player, 0))

    assert [entry["type"] for entry in batches[0].entries] == ["EXECUTION_STARTED"]
    assert len(batches) == 2
