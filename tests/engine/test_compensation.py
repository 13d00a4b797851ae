"""Compensation: what was completed is made up for in reverse order, each part once, whatever fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from service.engine.advancing import advance, may_proceed, open_commands, phase
from service.engine.folding import fold
from service.engine.observations import Cancelled, Lost, Retried, StepCompleted, StepUpdated, TaskCompleted, TaskFailed
from service.engine.projecting import project
from service.engine.run import Refused
from service.engine.state import MAX_STATE, State
from service.launching import moves_from
from tests.engine.graphs import NOW, RETRY, Player, a_plan

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


def test_a_workflow_that_is_lost_in_the_last_part_leaves_that_undone():
    player = b4()
    do(player, "task_reserve", "task_pay")
    cancelled(player)
    do(player, "refund")

    player.see(Lost("terminated"))

    (failed,) = player.entries[-1].data["failed"]
    assert player.entries[-1].data["status"] == "COMPLETED_WITH_ERRORS"
    assert {**failed, "time": ""} == {
        "id": "release",
        "step_id": "task_reserve",
        "visit": 1,
        "error": {"code": "COMPENSATION_LOST", "message": "terminated"},
        "time": "",
    }
    assert failed["time"]


def test_an_output_that_cannot_be_made_is_a_failure_to_compensate():
    plan = a_plan("start > task; task > end", compensations=[undoing("task", "undo")], compensates_failure=True)
    player = Player(replace(plan, output_expression="$error('no')"))

    do(player, "task")

    assert player.state.status == "FAILED"
    assert player.open == ["undo/1"]


def test_a_condition_knows_the_visit_and_the_cancellation():
    condition = "__original__.output.n > 1 and __cancellation__.requestedBy = 'ann' and __cancellation__.requestedAt"
    player = Player(
        a_plan(
            "start > task; task > xs; xs > task if __steps__.task.n < 3, a; a > end",
            compensations=[undoing("task", "undo", condition)],
        )
    )
    for n in (1, 2, 3):
        player.see(TaskCompleted(f"task/{n}", 1, {"n": n}))

    assert cancelled(player, by="ann") == ["undo", "undo"]
    compensation = project(player.entries).execution.compensation
    assert compensation["skipped"] == [
        {"id": "undo", "step_id": "task", "visit": 1, "reason": "its condition is false"}
    ]


def test_an_outcome_can_be_read_when_it_is_made_up_for():
    undo = undoing("ask", "undo", input={"was": "{% __steps__.ask.outcome %}"})
    player = Player(a_plan("start > ask; ask > a; a > end", compensations=[undo]))
    player.see(StepCompleted("ask", outcome="HALF"))
    cancelled(player)

    assert player.state.open["undo/1"].input == {"was": "HALF"}


def test_an_execution_that_is_full_can_be_compensated():
    steps = [f"task_{n}" for n in range(3)]
    plan = a_plan(
        "start > task_0; task_0 > task_1; task_1 > task_2; task_2 > a; a > end",
        compensations=[undoing(step, f"undo_{step}") for step in steps],
        **{
            step: {"settings": {"task": "t", "taskQueue": "q", "retry": ONCE, "timeout": 60.0, "input": {}}}
            for step in steps
        },
    )
    player = Player(plan, "x" * 250_000)
    for step in steps[:2]:
        do(player, step, output="y" * 150_000)
    do(player, "task_2", output="y" * 50_000)
    assert player.state.size > 0.8 * MAX_STATE
    cancelled(player)

    for step in reversed(steps):
        assert len(player.state.open[f"undo_{step}/1"].input["originalOutput"]) >= 50_000
        do(player, f"undo_{step}", output="z" * 250_000)

    assert player.entries[-1].data == {"status": "COMPLETED", "failed": []}
    assert len(player.state.to_json()) < MAX_STATE * 1.2
    assert fold(player.entries).to_json() == player.state.to_json()


def test_a_plan_of_many_parts_that_fail_at_once_is_worked_off_in_portions():
    player = Player(
        a_plan(
            "start > task; task > xs; xs > task if __steps__.task.n < 300, a; a > end",
            compensations=[undoing("task", "undo", input={"x": "{% $error('no') %}"})],
        )
    )
    for n in range(1, 301):
        player.see(TaskCompleted(f"task/{n}", 1, {"n": n}))

    outcome = advance(player.plan, player.state, Cancelled("no more"), player.now)

    assert len(outcome.entries) <= 203
    assert may_proceed(outcome.state)
    assert phase(player.plan, outcome.state) == "COMPENSATING"
    player.see(Cancelled("no more"))
    assert len(player.entries[-1].data["failed"]) == 300


def test_what_is_completed_without_end_comes_to_the_limit_before_its_plan_is_too_long_to_write():
    player = Player(a_plan("start > task; task > xs; xs > task if true, end", compensations=[undoing("task", "undo")]))
    player.state.size = MAX_STATE - 1000
    for n in range(1, 20):
        if player.is_open:
            player.see(TaskCompleted(f"task/{n}", 1, n))

    assert player.entries[-1].data["error"]["code"] == "OUTPUT_TOO_LARGE"


def test_a_retry_that_fails_at_once_leaves_no_compensation_that_nobody_runs():
    title = {"settings": {"titleExpression": "$now() > '2026-01-02' ? $error('late') : 'in time'"}}
    plan = a_plan(
        "start > task; task > a; a > end",
        a=title,
        compensations=[undoing("task", "undo")],
        compensates_failure=True,
    )
    player = Player(plan)
    do(player, "task")
    player.see(Lost("terminated"))

    moves = moves_from(plan, player.state, Retried(), NOW + timedelta(days=3))

    assert moves.state.status == "FAILED"
    assert moves.state.is_over
