"""Waiting for events: the engine judges which event a wait takes, and takes each once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from service.engine.advancing import open_commands
from service.engine.commands import SetTimer
from service.engine.entries import Entry
from service.engine.folding import fold
from service.engine.observations import (
    Cancelled,
    EventDelivered,
    StepUpdated,
    TimerFired,
    VariablesChanged,
    decode,
    encode,
)
from service.engine.projecting import Wait, project
from service.engine.run import Refused
from service.engine.state import MAX_STATE, State
from tests.engine.graphs import NOW, Player, a_plan

KEYED = {
    "pattern": "payment.received",
    "condition": "__event__.payload.orderId = __context__.orderId",
    "keyPath": "payload.orderId",
    "keyExpression": "__context__.orderId",
}
THREE_DAYS = 3 * 24 * 3600.0


def waiting(**settings):
    return {"type": "event.wait", "settings": settings}


def a_player(input=None, **settings):
    return Player(
        a_plan("start > wait; wait > end; wait > late on TIMEOUT; late > wait", wait=waiting(**settings)), input
    )


def an_event(event_id="e1", pattern="payment.received", **payload):
    return {"eventId": event_id, "pattern": pattern, "payload": payload, "metadata": {}}


def deliver(player, event, step="wait", visit=1):
    return player.see(decode(encode(EventDelivered(step, visit, event))))


def refusal(player, event, step="wait", visit=1):
    with pytest.raises(Refused) as refused:
        deliver(player, event, step, visit)
    return refused.value.reason


def test_a_wait_says_for_which_events_it_is():
    player = a_player({"orderId": 7.0}, **KEYED)

    (wait,) = project(player.entries).waits.values()

    assert wait == Wait("wait", 1, "payment.received", "payload.orderId", "7", None)


def test_an_event_is_taken_when_its_condition_is_true():
    player = a_player({"orderId": "o1"}, **KEYED, mapping={"paymentId": "id", "amount": "sum.total", "gone": "none"})

    assert refusal(player, an_event(orderId="o2")) == "EVENT_CONDITION_FALSE"
    deliver(player, an_event(orderId="o1", id="PAY-9", sum={"total": 99.99}))

    assert player.state.status == "COMPLETED"
    assert player.state.results["wait"].output == {"paymentId": "PAY-9", "amount": 99.99}
    assert player.state.variables == {"paymentId": "PAY-9", "amount": 99.99}
    assert project(player.entries).waits == {("wait", 1): None}


def test_without_a_mapping_the_payload_is_the_output():
    player = a_player(pattern="payment.received")

    deliver(player, an_event(a=[1]))

    assert player.state.results["wait"].output == {"a": [1]}


def test_a_condition_that_fails_takes_nothing_and_breaks_nothing():
    player = a_player(pattern="payment.received", condition="__event__.payload.n > 'x'")

    assert refusal(player, an_event(n=1)) == "EVENT_CONDITION_FAILED"
    assert player.open == ["wait/1"]


def test_the_same_event_again_changes_nothing():
    player = Player(a_plan("start > wait; wait > a; a > end", wait=waiting(pattern="p")))
    deliver(player, an_event())
    before = len(player.entries)

    deliver(player, an_event())

    assert len(player.entries) == before
    assert refusal(player, an_event("e2")) == "EVENT_NOT_AWAITED"


def test_two_waits_take_an_event_once():
    player = Player(
        a_plan("start > ps; ps > w1, w2; w1 > pj; w2 > pj; pj > end", w1=waiting(pattern="p"), w2=waiting(pattern="p"))
    )
    deliver(player, an_event(), "w1")

    assert refusal(player, an_event(), "w2") == "EVENT_ALREADY_CONSUMED"
    deliver(player, an_event("e2"), "w2")
    assert player.state.status == "COMPLETED"


def test_after_the_timeout_another_way_is_taken_and_the_next_wait_has_a_timer_of_its_own():
    player = a_player(pattern="p", timeout=THREE_DAYS)
    assert open_commands(player.plan, player.state) == (SetTimer("wait/1", NOW + timedelta(days=3)),)

    player.wait(THREE_DAYS)
    player.see(TimerFired("wait/1"))
    assert player.open == ["late/1"]
    assert refusal(player, an_event()) == "EVENT_NOT_AWAITED"
    player.complete("late")

    assert player.state.open["wait/2"].due.startswith("2026-01-07")
    deliver(player, an_event(), visit=2)
    assert player.state.status == "COMPLETED"


def test_a_timeout_that_nothing_catches_fails_the_step():
    player = Player(a_plan("start > wait; wait > end", wait=waiting(pattern="p", timeout=1.0)))

    player.see(TimerFired("wait/1"))

    assert player.state.status == "FAILED"
    assert player.entries[-1].data["error"]["code"] == "EVENT_TIMEOUT"


def test_a_wait_that_is_switched_off_takes_nothing_and_begins_anew():
    player = a_player(pattern="p")
    player.see(StepUpdated("wait", "DISABLED"))
    assert refusal(player, an_event()) == "EVENT_NOT_AWAITED"
    assert project(player.entries).waits == {("wait", 1): None}

    player.see(StepUpdated("wait", "RUNNING"))

    assert project(player.entries).waits["wait", 1] is not None
    deliver(player, an_event())
    assert player.state.status == "COMPLETED"


def test_a_wait_follows_the_data_that_its_key_is_made_of():
    settings = {
        "pattern": "p",
        "condition": "__event__.payload.id = __variables__.id",
        "keyPath": "payload.id",
        "keyExpression": "__variables__.id",
        "keyMoves": True,
    }
    player = Player(a_plan("start > wait; wait > end", wait=waiting(**settings)))
    assert project(player.entries).waits["wait", 1].key_path == ""

    player.see(VariablesChanged({"id": "x"}))

    assert project(player.entries).waits["wait", 1].key_value == '"x"'
    assert player.entries[-1].type == "WAIT_CHANGED"
    assert project(player.entries[-1:]).step_runs["wait", 1].status == "WAITING"
    deliver(player, an_event(id="x"))
    assert player.state.status == "COMPLETED"


def test_an_event_may_cancel_the_execution():
    plan = a_plan(
        "start > a; a > end",
        triggers=[
            {"settings": {"pattern": "fraud.*"}, "reason": "Fraud", "compensates": False},
            {"settings": {**KEYED, "pattern": "order.cancelled"}, "reason": ""},
        ],
    )
    player = Player(plan, {"orderId": "o1"})
    assert project(player.entries).waits["", 2].key_value == '"o1"'

    assert refusal(player, an_event(orderId="o2"), "", 2) == "EVENT_CONDITION_FALSE"
    deliver(player, an_event(pattern="order.cancelled", orderId="o1"), "", 2)

    assert player.state.status == "CANCELLED"
    assert player.entries[-1].data == {
        "reason": "event order.cancelled",
        "source": "EVENT",
        "event": "e1",
        "trigger": 2,
    }
    deliver(player, an_event(pattern="order.cancelled", orderId="o1"), "", 2)  # as it was
    assert refusal(player, an_event("e2", pattern="fraud.found"), "", 1) == "EVENT_NOT_AWAITED"


def test_variables_are_changed_by_one_who_has_seen_the_latest():
    player = Player(a_plan("start > a; a > end"))
    seen = player.state.number

    player.see(VariablesChanged({"n": 1}, expected=seen))
    with pytest.raises(Refused) as refused:
        player.see(VariablesChanged({"n": 2}, expected=seen))

    assert refused.value.reason == "REVISION_CONFLICT"
    assert player.state.variables == {"n": 1}
    player.see(Cancelled())
    with pytest.raises(Refused):
        player.see(VariablesChanged({"n": 3}))


def test_the_ledger_and_the_json_keep_what_events_did():
    player = a_player({"orderId": "o1"}, **KEYED, mapping={"id": "id"})
    deliver(player, an_event(orderId="o1", id=3))

    entries = [Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) for entry in player.entries]

    assert fold(entries).to_json() == player.state.to_json()
    assert State.from_json(player.state.to_json()).to_json() == player.state.to_json()


def test_an_event_that_the_step_breaks_on_is_consumed():
    plan = a_plan(
        "start > set; set > w1; w1 > w2 on ERROR; w1 > end; w2 > end",
        set={"type": "data.set"},
        w1=waiting(pattern="p"),
        w2=waiting(pattern="p"),
    )
    player = Player(plan, "x" * 150_000)
    deliver(player, an_event(text="y" * 262_140), "w1")

    assert player.state.failures["w1"].error["code"] == "OUTPUT_TOO_LARGE"
    assert refusal(player, an_event(), "w2") == "EVENT_ALREADY_CONSUMED"
    assert project(player.entries).waits["w1", 1] is None


def test_two_triggers_take_an_event_once():
    plan = a_plan("start > a; a > end", triggers=[{"settings": {"pattern": "p"}}, {"settings": {"pattern": "*"}}])
    player = Player(plan)

    assert refusal(player, an_event(), "", 3) == "EVENT_NOT_AWAITED"
    deliver(player, an_event(), "", 1)

    assert project(player.entries).consumed == [("e1", "", 1)]
    assert refusal(player, an_event(), "", 2) == "EVENT_ALREADY_CONSUMED"


def test_variables_are_refused_when_there_is_no_room_for_them():
    player = Player(a_plan("start > a; a > end"), "x" * 700_000)
    player.see(VariablesChanged({"a": "y" * 250_000}))

    player.see(VariablesChanged({"a": "z" * 250_000}))  # in place of the others
    with pytest.raises(Refused, match="the variables have 250008 bytes"):
        player.see(VariablesChanged({"b": "y" * 250_000}))
    assert player.state.size < MAX_STATE


def test_what_an_event_sets_counts_twice():
    player = Player(a_plan("start > wait; wait > end", wait=waiting(pattern="p", mapping={"t": "t"})), "x" * 700_000)

    deliver(player, an_event(t="y" * 200_000))

    assert player.entries[-1].data["error"]["code"] == "OUTPUT_TOO_LARGE"
