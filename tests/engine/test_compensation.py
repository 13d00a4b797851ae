"""Compensation: what was completed is made up for in reverse order, each part once, whatever fails."""

from __future__ import annotations

import pytest

from service.engine.advancing import open_commands, phase
from service.engine.folding import fold
from service.engine.observations import Cancelled, Lost, Retried, StepUpdated, TaskCompleted, TaskFailed
from service.engine.projecting import project
from service.engine.run import Refused
from service.engine.state import State
from tests.engine.graphs import RETRY, Player, a_plan

ONCE = {**RETRY, "maxAttempts": 1}
B4 = "start > task_reserve; task_reserve > task_pay; task_pay > task_ship; task_ship > wait; wait > end"


INPUT = {"n": "{% __original__.output.n %}", "seen": "{% __steps__.task.n %}"}


def undoing(of, id, condition=None, **settings):
    return {"of": of, "id": id, "condition": condition, "settings": {"retry": ONCE, **settings}}


COMPENSATIONS = [
    undoing("task_reserve", "release", "__steps__.task_pay.status = 'COMPLETED'"),
    undoing(
        "task_pay",
        "refund",
        input={"id": "{% __steps__.task_pay.outputData.paymentId %}", "why": "{% __cancellation__.reason %}"},
    ),
    undoing("task_ship", "cancel_shipment"),
]


def b4(**more):
    return Player(a_plan(B4, compensations=COMPENSATIONS, **more), {"order": 1})


def do(player, *steps, output=None):
    for step in steps:
        player.see(TaskCompleted(f"{step}/1", 1, output or {}))


def cancelled(player, **more):
    player.see(Cancelled("no more", **more))
    return [part["id"] for part in project(player.entries).execution.compensation["plan"]]


def test_what_a_step_put_out_hides_nothing_from_runs():
    of_runs = undoing("task_pay", "refund", input={"is": "{% __runs__.task_pay %}"})
    unless = undoing("task_reserve", "release", "__runs__.task_pay.status = 'COMPLETED'")
    player = Player(a_plan(B4, compensations=[unless, of_runs]), {})
    do(player, "task_reserve")
    do(player, "task_pay", output={"status": "authorized", "output": 7})

    assert cancelled(player) == ["refund", "release"]
    (command,) = open_commands(player.plan, player.state)
    assert command.input["is"]["status"] == "COMPLETED"
    assert command.input["is"]["output"] == {"status": "authorized", "output": 7}


def test_aq3_cancelled_while_shipping_what_was_paid_is_refunded_first():
    player = b4()
    do(player, "task_reserve")
    do(player, "task_pay", output={"paymentId": "PAY-1"})

    assert cancelled(player) == ["refund", "release"]
    assert player.state.status == "CANCELLED"
    assert phase(player.plan, player.state) == "COMPENSATING"
    (command,) = open_commands(player.plan, player.state)
    assert (command.key, command.input) == ("refund/1", {"id": "PAY-1", "why": "no more"})
    do(player, "refund")
    (command,) = open_commands(player.plan, player.state)
    assert command.key == "release/1"
    assert command.input["workflowInput"] == {"order": 1}
    assert command.input["originalOutput"] == {}
    assert command.input["cancellation"]["reason"] == "no more"
    assert command.input["workflowState"]["steps"]["task_pay"]["paymentId"] == "PAY-1"
    do(player, "release")

    assert player.state.is_over
    assert phase(player.plan, player.state) == "NONE"
    assert player.entries[-1].data == {"status": "COMPLETED", "failed": []}


def test_after_shipping_the_shipment_is_cancelled_first():
    player = b4()
    do(player, "task_reserve", "task_pay", "task_ship")

    assert cancelled(player) == ["cancel_shipment", "refund", "release"]


def test_before_paying_nothing_holds_and_the_compensation_is_done():
    player = b4()
    do(player, "task_reserve")

    assert cancelled(player) == []
    assert player.state.is_over
    compensation = project(player.entries).execution.compensation
    assert compensation["status"] == "COMPLETED"
    assert compensation["skipped"][0]["reason"] == "its condition is false"


def test_one_that_fails_is_recorded_and_the_next_one_runs():
    player = b4()
    do(player, "task_reserve", "task_pay")
    cancelled(player)

    player.see(TaskFailed("refund/1", 1, {"code": "BANK_CLOSED", "message": "closed"}))
    do(player, "release")

    (failed,) = player.entries[-1].data["failed"]
    assert player.entries[-1].data["status"] == "COMPLETED_WITH_ERRORS"
    assert (failed["id"], failed["error"]["code"]) == ("refund", "BANK_CLOSED")
    assert failed["time"]


def test_a_compensation_has_attempts_of_its_own():
    player = Player(a_plan("start > task; task > a; a > end", compensations=[undoing("task", "undo", retry=RETRY)]))
    do(player, "task")
    cancelled(player)

    player.see(TaskFailed("undo/1", 1, {"code": "X", "message": "x"}))

    assert player.state.open["undo/1"].due
    player.answer()
    player.see(TaskCompleted("undo/1", 2, {}))
    assert player.entries[-1].data["status"] == "COMPLETED"


def test_an_input_that_cannot_be_made_fails_the_compensation_alone():
    player = Player(
        a_plan(
            "start > task; task > a; a > end",
            compensations=[undoing("task", "undo", input={"x": "{% $error('no') %}"}), undoing("task", "also")],
        )
    )
    do(player, "task")
    assert cancelled(player) == ["undo", "also"]

    assert player.open == ["also/1"]
    do(player, "also")
    assert player.entries[-1].data["status"] == "COMPLETED_WITH_ERRORS"


def test_without_the_wish_nothing_is_compensated():
    player = b4()
    do(player, "task_reserve", "task_pay")

    player.see(Cancelled("no more", compensates=False))

    assert player.state.is_over
    assert "compensation" not in player.entries[-1].data


def test_each_completed_visit_is_made_up_for_with_its_own_output():
    player = Player(
        a_plan(
            "start > task; task > xs; xs > task if __steps__.task.n < 3, a; a > end",
            compensations=[
                undoing("task", "undo", input={"n": "{% __original__.output.n %}", "seen": "{% __steps__.task.n %}"})
            ],
        )
    )
    for n in (1, 2, 3):
        player.see(TaskCompleted(f"task/{n}", 1, {"n": n}))
    assert cancelled(player) == ["undo"] * 3

    inputs = []
    for n in (1, 2, 3):
        inputs.append(player.state.open[f"undo/{n}"].input)
        player.see(TaskCompleted(f"undo/{n}", 1, {}))

    assert inputs == [{"n": 3, "seen": 3}, {"n": 2, "seen": 2}, {"n": 1, "seen": 1}]
    assert player.state.is_over


def test_aq4_after_a_failure_only_where_the_definition_asks_for_it():
    for asked in (True, False):
        player = b4(compensates_failure=asked)
        do(player, "task_reserve", "task_pay")
        for attempt in (1, 2, 3):
            player.see(TaskFailed("task_ship/1", attempt, {"code": "NO_SHIP", "message": "none", "retriable": False}))
        assert player.state.status == "FAILED"
        assert player.open == (["refund/1"] if asked else [])
    assert player.see(Retried()).commands  # what was not compensated can go on


def test_what_was_compensated_does_not_go_on():
    player = b4(compensates_failure=True)
    do(player, "task_reserve")
    player.see(TaskFailed("task_pay/1", 1, {"code": "X", "message": "x", "retriable": False}))

    with pytest.raises(Refused) as refused:
        player.see(Retried())

    assert refused.value.reason == "EXECUTION_COMPENSATED"


def test_while_compensating_nothing_else_is_done():
    player = b4()
    do(player, "task_reserve", "task_pay")
    cancelled(player)

    player.see(Cancelled("again"))
    with pytest.raises(Refused):
        player.see(StepUpdated("refund", "DISABLED"))

    assert player.open == ["refund/1"]


def test_a_workflow_that_is_lost_ends_the_compensation_with_errors():
    player = b4()
    do(player, "task_reserve", "task_pay")
    cancelled(player)

    player.see(Lost("terminated"))

    assert player.entries[-1].data["status"] == "COMPLETED_WITH_ERRORS"
    assert player.state.is_over


def test_the_ledger_and_the_json_keep_a_compensation_under_way():
    player = b4()
    do(player, "task_reserve", "task_pay")
    cancelled(player)

    for _ in range(2):
        assert fold(player.entries).to_json() == player.state.to_json()
        player.state = State.from_json(player.state.to_json())
        do(player, player.open[0].partition("/")[0])

    assert player.state.is_over
