"""How much the open steps of an execution may hold at a time."""

from __future__ import annotations

import json

from service.engine.observations import StepUpdated, TaskCompleted
from service.engine.state import MAX_HELD, State
from tests.engine.graphs import Player, a_plan

LARGE = {"text": "x" * 250_000}


def branches(number):
    ids = [f"task_{place}" for place in range(number)]
    return a_plan(f"start > ps; ps > {', '.join(ids)}; {'; '.join(f'{id} > pj' for id in ids)}; pj > end")


def test_what_a_step_was_given_counts_until_it_ends_or_is_parked():
    player = Player(branches(3), LARGE)
    full = player.state.held

    player.see(TaskCompleted("task_0/1", 1, None))
    player.see(StepUpdated("task_1", "DISABLED"))

    assert 750_000 < full < 751_000
    assert player.state.held == full // 3
    player.see(StepUpdated("task_1", "RUNNING"))
    assert player.state.held == full // 3 * 2


def test_a_step_that_would_hold_too_much_beside_the_others_fails():
    player = Player(branches(34), LARGE)

    error = player.entries[-1].data["error"]
    assert (player.state.status, error["code"], error["step_id"]) == ("FAILED", "INPUT_TOO_LARGE", "task_33")
    assert error["message"].endswith(f"their limit is {MAX_HELD}")


def test_a_state_that_was_written_before_this_was_counted_knows_it_all_the_same():
    state = Player(branches(3), LARGE).state
    document = json.loads(state.to_json())
    del document["held"]

    assert State.from_json(json.dumps(document)).held == state.held
