"""Statuses on arrival, and what UpdateStep may set: CQ13 of the system that the native dialect comes from."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from service.domain.lifecycle import STEP_RUN
from service.engine.advancing import UPDATES, open_commands
from service.engine.observations import Cancelled, StepUpdated
from service.engine.run import Refused
from service.engine.state import PARKED
from tests.engine.graphs import Player, a_plan

STATUSES = ("PENDING", "RUNNING", "WAITING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED", "DISABLED")


def a_step_that_is(status: str) -> Player:
    """An execution in which the first visit of step `a` or `task` has a status, and something else is open."""
    name = "task" if status == "RUNNING" else "a"
    player = Player(a_plan(f"start > ps; ps > {name}, other; {name} > pj; other > pj; pj > end"))
    if status in PARKED:
        player.see(StepUpdated("a", "DISABLED"))
        player.see(StepUpdated("a", status))
    if status == "COMPLETED":
        player.complete("a")
    return player


def allowed(status: str, wanted: str) -> bool:
    return wanted in UPDATES.get(status, ())


def changes_nothing(status: str, wanted: str) -> bool:
    return status == wanted or (status, wanted) == ("WAITING", "RUNNING")


@pytest.mark.parametrize(
    ("status", "wanted"), list(product(["PENDING", "DISABLED", "RUNNING", "WAITING", "COMPLETED"], STATUSES))
)
def test_cq13_every_status_is_set_where_the_table_allows_it_and_nowhere_else(status, wanted):
    player = a_step_that_is(status)
    step = "task" if status == "RUNNING" else "a"
    before = player.state.to_json()

    for visit in (0, 1):
        if changes_nothing(status, wanted):
            assert not player.see(StepUpdated(step, wanted, visit=visit)).entries
        elif not allowed(status, wanted):
            with pytest.raises(Refused) as refused:
                player.see(StepUpdated(step, wanted, visit=visit))
            assert refused.value.reason == "STEP_STATUS_REFUSED"
            assert f"allowed: {', '.join(UPDATES.get(status, ())) or 'nothing'}" in refused.value.message
            assert refused.value.facts["allowed"] == ", ".join(UPDATES.get(status, ()))
            assert refused.value.facts["status"] == status
    if not allowed(status, wanted):
        assert player.state.to_json() == before
        return
    player.see(StepUpdated(step, wanted))

    run = player.state.open.get(f"{step}/1")
    reached = {"RUNNING": "WAITING" if step == "a" else "RUNNING"}.get(wanted, wanted)
    assert ("COMPLETED" if run is None else run.status) == reached


@pytest.mark.parametrize(("ending", "wanted"), list(product(["COMPLETED", "SKIPPED", "CANCELLED"], STATUSES)))
def test_nothing_is_set_in_an_execution_that_has_ended(ending, wanted):
    player = Player(a_plan("start > a; a > end"))
    if ending == "COMPLETED":
        player.complete("a")
    if ending == "SKIPPED":
        player.see(StepUpdated("a", "DISABLED"))
    if player.is_open:
        player.see(Cancelled())

    if (ending, wanted) == ("COMPLETED", "COMPLETED"):
        assert not player.see(StepUpdated("a", wanted)).entries
    else:
        with pytest.raises(Refused) as refused:
            player.see(StepUpdated("a", wanted))
        assert refused.value.reason == "EXECUTION_ENDED"


def test_an_older_visit_that_has_ended_takes_no_status():
    player = Player(a_plan("start > ps; ps > x, y; x > a; y > a; a > b; b > end"))
    player.complete("x", "y", "a")

    with pytest.raises(Refused, match=r"cannot move step a, visit 1, to DISABLED: it is COMPLETED; allowed: nothing"):
        player.see(StepUpdated("a", "DISABLED", visit=1))
    player.see(StepUpdated("a", "DISABLED"))

    assert player.state.open["a/2"].status == "DISABLED"


@pytest.mark.parametrize("wanted", STATUSES)
def test_a_step_that_no_token_has_reached_takes_no_status(wanted):
    player = Player(a_plan("start > a; a > b; b > end"))

    with pytest.raises(Refused, match="cannot update step b: it has not started"):
        player.see(StepUpdated("b", wanted))
    with pytest.raises(Refused, match="step b has no visit 1"):
        player.see(StepUpdated("b", wanted, visit=1))


def test_what_may_be_set_is_what_a_step_run_can_become():
    for status, targets in UPDATES.items():
        assert [target for target in targets if not STEP_RUN.allows(status, target)] == []


# On arrival.


@pytest.mark.parametrize("on_arrival", [None, "PENDING", "RUNNING", "COMPLETED", "DISABLED", "FAILED"])
@pytest.mark.parametrize("default", [None, "PENDING", "RUNNING", "COMPLETED", "DISABLED", "FAILED"])
def test_cq13_the_transition_decides_then_the_policy_then_it_begins(on_arrival, default):
    plan = a_plan("start > a; a > b; b > end", a={"default_status": default})
    transitions = [replace(t, on_arrival=on_arrival) if t.target == "a" else t for t in plan.transitions]
    player = Player(replace(plan, transitions=tuple(transitions)))

    status = on_arrival or default or "RUNNING"
    if status == "FAILED":
        assert player.entries[-1].data["error"]["code"] == "FAILED_ON_ARRIVAL"
    elif status == "COMPLETED":
        assert player.open == ["b/1"]
    else:
        assert player.state.open["a/1"].status == ("WAITING" if status == "RUNNING" else status)


@pytest.mark.parametrize("status", ["PENDING", "DISABLED"])
@pytest.mark.parametrize("parked", ["start", "task", "a", "timer", "ps", "xs", "pj", "end"])
def test_cq13_a_step_of_every_type_can_be_parked_and_set_free(parked, status):
    picture = "start > task; task > timer; timer > xs; xs > a; a > ps; ps > b, c; b > pj; c > pj; pj > end"
    player = Player(a_plan(picture, **{parked: {"default_status": status}}))

    for _ in range(20):
        if not player.is_open:
            break
        stuck = [run for run in player.state.open.values() if run.status in PARKED]
        if stuck:
            assert player.open == [f"{parked}/1"]
            assert open_commands(player.plan, player.state) == ()
            player.see(StepUpdated(parked, "RUNNING"))
        elif waiting := [run.step_id for run in player.state.open.values() if run.step_id in "abc"]:
            player.complete(waiting[0])
        else:
            player.answer()

    assert player.state.status == "COMPLETED"
    assert player.types(parked)[0 if parked != "pj" else 2] == "STEP_STARTED"


@pytest.mark.parametrize("way", ["a", "b"])
def test_a_join_begins_as_the_first_of_its_transitions_says(way):
    plan = a_plan("start > ps; ps > a, b; a > pj; b > pj; pj > c; c > end")
    transitions = [replace(t, on_arrival="DISABLED") if t.id == f"{way}>pj" else t for t in plan.transitions]
    player = Player(replace(plan, transitions=tuple(transitions)))

    player.complete("a", "b")
    assert player.state.open["pj/1"].status == "DISABLED"
    player.see(StepUpdated("pj", "COMPLETED"))

    assert player.open == ["c/1"]


@pytest.mark.parametrize("step", ["task", "a", "timer"])
def test_a_step_can_be_switched_off_at_any_point_of_being_open(step):
    player = Player(a_plan(f"start > {step}; {step} > end"))

    for status in ("DISABLED", "PENDING", "DISABLED", "RUNNING", "DISABLED", "COMPLETED"):
        player.see(StepUpdated(step, status))

    assert player.state.status == "COMPLETED"
