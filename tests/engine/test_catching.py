"""Outcomes and errors choose the way: B's transitions by outcome, by error, by default."""

from __future__ import annotations

import pytest

from service.engine.folding import fold
from service.engine.observations import Retried, StepCompleted, StepUpdated, TaskCompleted, TaskFailed, TimerFired
from service.engine.run import Refused
from service.engine.state import MAX_STATE, State
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


def test_an_error_that_is_called_error_is_tried_again_like_any_other():
    player = Player(a_plan(WAYS, task_pay=settings(retry=RETRY)))

    player.see(TaskFailed("task_pay/1", 1, error("ERROR")))

    assert player.open == ["task_pay/1"]


PARKED = "start > task_pay; task_pay > end; task_pay > task_tell on ERROR; task_tell > end"
TELL = {"task_pay>task_tell": {"why": "{% __error__.message %}"}}


@pytest.mark.parametrize("parked", ["PENDING", "DISABLED"])
def test_what_a_transition_hands_over_is_kept_while_the_step_is_parked(parked):
    told = settings(input={"to": "ops"}) | {"default_status": parked}
    player = Player(a_plan(PARKED, task_pay=settings(), task_tell=told, inputs=TELL))

    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))
    assert fold(player.entries).to_json() == player.state.to_json()
    player.state = State.from_json(player.state.to_json())
    player.see(StepUpdated("task_tell", "RUNNING"))

    assert player.state.open["task_tell/1"].input == {"to": "ops", "why": "no"}


def test_what_a_transition_hands_over_is_kept_when_the_step_is_switched_off_and_on():
    player = Player(a_plan(PARKED, task_pay=settings(), task_tell=settings(input={"to": "ops"}), inputs=TELL))
    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))

    player.see(StepUpdated("task_tell", "DISABLED"))
    player.see(StepUpdated("task_tell", "RUNNING"))

    assert player.state.open["task_tell/1"].input == {"to": "ops", "why": "no"}


@pytest.mark.parametrize("status", ["RUNNING", "PENDING"])
def test_what_a_transition_hands_over_is_kept_for_a_retry(status):
    told = settings(input={"to": "ops"}) | {"default_status": status}
    plan = a_plan(
        "start > ps; ps > task_pay, task_x; task_pay > end; task_pay > task_tell on ERROR; task_tell > end; "
        "task_x > end",
        task_pay=settings(),
        task_x=settings(),
        task_tell=told,
        inputs=TELL,
    )
    player = Player(plan)
    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))

    for visit in (1, 2):
        player.see(TaskFailed(f"task_x/{visit}", 1, error("X")))
        assert player.state.status == "FAILED"
        player.see(Retried())
    if status == "PENDING":
        player.see(StepUpdated("task_tell", "RUNNING"))

    assert player.state.open["task_tell/3"].input == {"to": "ops", "why": "no"}


def test_what_a_transition_could_not_hand_over_is_tried_again_by_a_retry():
    inputs = {"task_pay>task_tell": {"why": "{% $number(__error__.message & __variables__.no) %}"}}
    player = Player(a_plan(PARKED, task_pay=settings(), task_tell=settings(input={"to": "ops"}), inputs=inputs))
    player.see(TaskFailed("task_pay/1", 1, error("CARD_STOLEN")))
    assert player.entries[-1].data["error"]["code"] == "EXPRESSION_FAILED"

    player.see(Retried())
    assert player.state.status == "FAILED"  # and it says why again, instead of going on without it
    player.state.failures["task_pay"].error["message"] = "7"
    player.see(Retried())

    assert player.state.open["task_tell/3"].input == {"to": "ops", "why": 7}


def test_a_step_with_no_way_for_an_ordinary_end_is_not_passed_over():
    player = Player(
        a_plan("start > task_pay; task_pay > a on OK; task_pay > b on ERROR; a > end; b > end", task_pay=settings())
    )
    player.see(StepUpdated("task_pay", "DISABLED"))

    with pytest.raises(Refused) as refused:
        player.see(StepUpdated("task_pay", "COMPLETED"))

    assert refused.value.reason == "STEP_STATUS_REFUSED"
    assert player.open == ["task_pay/1"]


def test_failures_that_were_caught_make_room_when_the_step_completes():
    player = Player(
        a_plan(
            "start > task_pay; task_pay > xs; task_pay > a on ERROR; a > task_pay; xs > task_pay if true, end",
            task_pay=settings(input={"text": "x" * 1000}),
        )
    )
    before = player.state.size

    for visit in range(1, 20, 2):
        player.see(TaskFailed(f"task_pay/{visit}", 1, error("X")))
        player.complete("a")
        player.see(TaskCompleted(f"task_pay/{visit + 1}", 1, None))

    assert player.state.size < before + 100


def test_failures_that_were_caught_take_no_room_that_is_not_there():
    names = [f"task_{n}" for n in range(12)]
    picture = "start > task_0; " + "; ".join(
        f"{one} > end; {one} > {following} on ERROR" for one, following in zip(names, [*names[1:], "a"], strict=True)
    )
    player = Player(a_plan(f"{picture}; a > end", **{name: settings(input={"text": "x" * 200_000}) for name in names}))

    for name in names:
        player.see(TaskFailed(f"{name}/1", 1, error("X", details={"much": "y" * 10_000})))

    assert len(player.state.to_json()) < MAX_STATE * 1.2
    assert player.state.failures["task_0"].input
    assert player.state.failures["task_11"].error == {"code": "X", "message": "no", "category": "PERMANENT"}


def test_a_loop_of_sub_workflows_that_fail_at_once_comes_to_an_end():
    broken = {"settings": {"items": {"expression": "$error('no')"}}}
    player = Player(
        a_plan("start > sub; sub > end; sub > set on ERROR; set > sub", sub=broken, set={"type": "data.set"})
    )

    assert player.entries[-1].data["error"]["code"] == "RUNAWAY_LOOP"
