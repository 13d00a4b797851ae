"""Outcomes and errors choose the way: B's transitions by outcome, by error, by default."""

from __future__ import annotations

import pytest

from service.engine.observations import StepCompleted, TaskCompleted, TaskFailed, TimerFired
from service.engine.run import Refused
from tests.engine.graphs import RETRY, Player, a_plan

WAYS = (
    "start > task_pay; task_pay > a; task_pay > b on DECLINED; task_pay > c on TIMEOUT; task_pay > d on ERROR; "
    "a > pj; b > pj; c > pj; d > pj; pj > end"
)
ONCE = {**RETRY, "maxAttempts": 1}


def settings(**more):
    return {"settings": {"task": "pay", "taskQueue": "q", "retry": ONCE, "timeout": 60.0, **more}}


def error(code, category="PERMANENT", **more):
    return {"code": code, "message": "no", "category": category, "retriable": True, **more}


@pytest.mark.parametrize(
    ("observation", "way"),
    [
        (TaskCompleted("task_pay/1", 1, {"ok": True}), "a"),
        (TaskCompleted("task_pay/1", 1, {"outcome": "DECLINED"}), "b"),
        (TaskCompleted("task_pay/1", 1, {"outcome": "NEVER_HEARD_OF"}), "a"),
        (TaskFailed("task_pay/1", 1, error("DECLINED")), "b"),
        (TaskFailed("task_pay/1", 1, error("GATEWAY", "TIMEOUT")), "c"),
        (TaskFailed("task_pay/1", 1, error("CARD_STOLEN")), "d"),
    ],
)
def test_aq2_the_outcome_or_the_error_chooses_the_way(observation, way):
    player = Player(a_plan(WAYS, task_pay=settings()))

    player.see(observation)

    assert player.open == [f"{way}/1"]


def test_an_error_that_nothing_catches_fails_the_execution():
    player = Player(
        a_plan("start > task_pay; task_pay > a; task_pay > b on DECLINED; a > end; b > end", task_pay=settings())
    )

    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))

    assert player.state.status == "FAILED"
    assert player.entries[-1].data["error"]["code"] == "CARD_STOLEN"


def test_an_outcome_that_no_transition_is_for_fails_the_step():
    player = Player(
        a_plan("start > task_pay; task_pay > a on OK; task_pay > b on ERROR; a > end; b > end", task_pay=settings())
    )

    player.see(TaskCompleted("task_pay/1", 1, {"outcome": "MAYBE"}))

    assert player.open == ["b/1"]
    assert player.state.failures["task_pay"].error["code"] == "OUTCOME_NOT_HANDLED"


def test_an_error_that_is_caught_by_name_is_not_tried_again():
    player = Player(a_plan(WAYS, task_pay=settings(retry=RETRY)))

    player.see(TaskFailed("task_pay/1", 1, error("DECLINED")))

    assert player.open == ["b/1"]


def test_an_error_that_the_policy_names_is_tried_again_before_it_is_caught():
    player = Player(a_plan(WAYS, task_pay=settings(retry={**RETRY, "retryableErrors": ["TIMEOUT"]})))

    for attempt in (1, 2):
        player.see(TaskFailed("task_pay/1", attempt, error("GATEWAY", "TIMEOUT")))
        assert player.open == ["task_pay/1"]
        player.see(TimerFired("task_pay/1"))
    player.see(TaskFailed("task_pay/1", 3, error("GATEWAY", "TIMEOUT")))

    assert player.open == ["c/1"]


def test_what_catches_every_error_does_so_when_the_attempts_are_used_up():
    player = Player(a_plan(WAYS, task_pay=settings(retry={**RETRY, "maxAttempts": 2})))

    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))
    assert player.open == ["task_pay/1"]
    player.see(TimerFired("task_pay/1"))
    player.see(TaskFailed("task_pay/1", 2, error("CARD_STOLEN")))

    assert player.open == ["d/1"]


def test_the_step_behind_is_handed_what_the_transition_gives():
    handed = {
        "why": "{% __error__.message %}",
        "was": "{% __failed__.input.amount %}",
        "at": "{% __error__.stepId %}",
    }
    plan = a_plan(
        "start > task_pay; task_pay > end; task_pay > task_tell on ERROR; task_tell > end",
        task_pay=settings(input={"amount": 7}),
        task_tell=settings(input={"to": "ops", "why": "?"}),
        inputs={"task_pay>task_tell": handed},
    )
    player = Player(plan)

    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))

    assert player.state.open["task_tell/1"].input == {"to": "ops", "why": "no", "was": 7, "at": "task_pay"}


def test_a_caught_failure_can_be_read_until_the_step_completes():
    player = Player(
        a_plan(
            "start > task_pay; task_pay > end; task_pay > a on ERROR; a > xs; "
            "xs > task_pay if __steps__.task_pay.status = 'FAILED', end",
            task_pay=settings(),
        )
    )

    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))
    player.complete("a")
    assert player.open == ["task_pay/2"]
    player.see(TaskCompleted("task_pay/2", 1, {}))

    assert player.state.status == "COMPLETED"
    assert player.state.failures == {}


def test_a_loop_that_catches_its_own_failures_comes_to_an_end():
    player = Player(
        a_plan(
            "start > xs; xs > set if $error('no'), end; xs > set on ERROR; set > xs",
            set={"type": "data.set"},
        )
    )

    assert player.state.status == "FAILED"
    assert player.entries[-1].data["error"]["code"] == "RUNAWAY_LOOP"


def test_a_person_gives_one_of_the_outcomes():
    player = Player(a_plan("start > a; a > b on APPROVED; a > c on REJECTED; b > end; c > end"))

    with pytest.raises(Refused) as refused:
        player.see(StepCompleted("a", outcome="PERHAPS"))
    assert refused.value.reason == "OUTCOME_NOT_ALLOWED"
    assert refused.value.facts["allowed"] == "APPROVED, REJECTED"
    player.see(StepCompleted("a", outcome="REJECTED"))

    assert player.open == ["c/1"]


def test_variables_are_set_and_read():
    plan = a_plan(
        "start > set; set > xs; xs > a if __variables__.total > 5, end; a > end",
        set={"type": "data.set", "settings": {"values": {"total": "{% __context__.n * 2 %}"}}},
    )

    assert Player(plan, {"n": 3}).open == ["a/1"]
    assert Player(plan, {"n": 2}).state.status == "COMPLETED"


def test_a_step_may_let_the_execution_fail():
    player = Player(
        a_plan(
            "start > xs; xs > no if true, end", no={"type": "fail", "settings": {"code": "NO_STOCK", "message": "gone"}}
        )
    )

    assert player.entries[-1].data["error"] == {"code": "NO_STOCK", "message": "gone", "step_id": "no"}
