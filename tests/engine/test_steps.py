"""Human steps, tasks, timers, and the statuses that a step may arrive with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from service.definition.plan import Plan
from service.engine.advancing import advance, may_proceed, open_commands, phase
from service.engine.commands import RunTask, SetTimer, Withdraw
from service.engine.observations import (
    Cancelled,
    Proceeded,
    Started,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from service.engine.run import MAX_OUTPUT, MAX_STATE, Refused
from service.engine.state import State
from tests.engine.graphs import NOW, Player, a_plan

ONE = "start > a; a > end"
TASK = "start > task; task > end"
VERIFIED = {"type": "object", "properties": {"verified": {"type": "boolean"}}, "required": ["verified"]}


def error(code="FLAKY", **fields):
    return {"code": code, "message": "it broke", "retriable": True, **fields}


def arriving(plan: Plan, step_id: str, status: str) -> Plan:
    return replace(
        plan, transitions=tuple(replace(t, on_arrival=status) if t.target == step_id else t for t in plan.transitions)
    )


def test_an_output_that_its_schema_refuses_changes_nothing():
    player = Player(a_plan(ONE, a={"output_schema": VERIFIED}))
    before = player.state.to_json()

    with pytest.raises(Refused) as refused:
        player.complete("a", output={})

    assert refused.value.reason == "OUTPUT_INVALID"
    assert player.state.to_json() == before


def test_completing_twice_in_the_same_words_does_nothing():
    player = Player(a_plan("start > a; a > b; b > end"))
    player.complete("a", output={"x": 1})

    assert not player.see(StepCompleted("a", output={"x": 1})).entries


@pytest.mark.parametrize(
    ("completion", "message"),
    [
        (StepCompleted("a", output=2), "cannot complete step a: visit 1 is COMPLETED, with another output or outcome"),
        (StepCompleted("c"), "cannot complete step c: it has not started"),
        (StepCompleted("b", visit=2), "step b has no visit 2"),
        (StepCompleted("nope"), "the execution's version has no step nope"),
        (StepCompleted("start", output=1), "cannot complete step start: visit 1 is COMPLETED, with another output"),
    ],
)
def test_completing_what_is_not_in_progress_is_refused(completion, message):
    player = Player(a_plan("start > a; a > b; b > c; c > end"))
    player.complete("a", output=1)

    with pytest.raises(Refused) as refused:
        player.see(completion)

    assert message in refused.value.message


def test_completing_a_finished_execution_again_is_quiet_and_otherwise_refused():
    player = Player(a_plan(ONE))
    player.complete("a", output=1)
    assert player.state.status == "COMPLETED"

    assert not player.see(StepCompleted("a", output=1)).entries
    with pytest.raises(Refused) as refused:
        player.see(StepCompleted("a", output=2))

    assert refused.value.reason == "EXECUTION_ENDED"


def test_a_caller_cannot_complete_a_task():
    with pytest.raises(Refused, match="a task step is not completed by a caller"):
        Player(a_plan(TASK)).complete("task")


def test_visits_of_one_step_are_completed_oldest_first_or_by_number():
    player = Player(a_plan("start > ps; ps > a, b, c; a > e; b > e; c > e; e > end"))
    player.complete("a", "b", "c")

    player.see(StepCompleted("e", visit=2))
    assert player.open == ["e/1", "e/3"]
    player.see(StepCompleted("e", output="first"))

    assert player.open == ["e/3"]


def test_the_request_behind_a_completion_stands_in_its_first_entry_only():
    request = {"id": "r1", "method": "CompleteStep", "digest": "d"}
    player = Player(a_plan(ONE))

    entries = player.see(StepCompleted("a", request=request)).entries

    assert [entry.data.get("request") for entry in entries] == [request, None, None]


def test_a_task_gets_the_context_or_its_rendered_input():
    player = Player(a_plan(TASK), {"id": 7})
    assert open_commands(player.plan, player.state)[0].input == {"id": 7}

    template = {"n": "{% __context__.id + 1 %}", "text": "as it is", "none": "{% __context__.nope %}"}
    settings = {**player.plan.step["task"].settings, "input": template}
    player = Player(a_plan(TASK, task={"settings": settings}), {"id": 7})

    assert open_commands(player.plan, player.state)[0].input == {"n": 8, "text": "as it is"}


def test_a_task_is_tried_again_after_growing_delays_until_its_attempts_are_used_up():
    player = Player(a_plan(TASK))
    waits = []
    for attempt in (1, 2):
        outcome = player.see(TaskFailed("task/1", attempt, error()))
        assert isinstance(outcome.commands[-1], SetTimer)
        waits.append(outcome.commands[-1].due - player.now)
        player.now = outcome.commands[-1].due
        assert player.see(TimerFired("task/1")).commands[-1].attempt == attempt + 1

    player.see(TaskFailed("task/1", 3, error(details={"why": "x"})))

    assert waits == [timedelta(seconds=1), timedelta(seconds=2)]
    assert player.state.status == "FAILED"
    assert player.entries[-1].data["error"] == {**error(details={"why": "x"}), "step_id": "task"}


@pytest.mark.parametrize(
    ("policy", "failure", "retried"),
    [
        ({}, error(), True),
        ({}, error(retriable=False), False),
        ({"nonRetryableErrors": ["FLAKY"]}, error(), False),
        ({"nonRetryableErrors": ["TIMEOUT"]}, error("X", category="TIMEOUT"), False),
        ({"retryableErrors": ["OTHER"]}, error(), False),
        ({"retryableErrors": ["TIMEOUT"]}, error("X", category="TIMEOUT"), True),
        ({"maxAttempts": 1}, error(), False),
    ],
)
def test_a_retry_policy_chooses_by_code_and_category(policy, failure, retried):
    plan = a_plan(TASK)
    settings = plan.step["task"].settings
    plan = a_plan(TASK, task={"settings": {**settings, "retry": {**settings["retry"], **policy}}})
    player = Player(plan)

    player.see(TaskFailed("task/1", 1, failure))

    assert player.is_open is retried


def test_the_result_of_an_attempt_given_up_is_not_heard():
    player = Player(a_plan(TASK))
    player.see(TaskFailed("task/1", 1, error()))
    player.answer()

    assert not player.see(TaskCompleted("task/1", 1, "late")).entries
    assert not player.see(TaskFailed("task/1", 1, error())).entries
    assert player.see(TaskCompleted("task/1", 2, "in time")).entries


def test_a_task_whose_output_breaks_its_schema_fails_without_another_attempt():
    player = Player(a_plan(TASK, task={"output_schema": VERIFIED}))

    player.see(TaskCompleted("task/1", 1, {"verified": "yes"}))

    assert player.entries[-1].data["error"]["code"] == "OUTPUT_INVALID"


def test_an_outcome_in_a_task_result_is_kept():
    player = Player(a_plan(TASK))

    player.see(TaskCompleted("task/1", 1, {"outcome": "OUT_OF_STOCK"}))

    assert player.state.results["task"].outcome == "OUT_OF_STOCK"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\x00b", "\ud800", {"k\x00": 1}])
def test_a_result_that_is_not_storable_json_fails_the_step(value):
    player = Player(a_plan(TASK))

    player.see(TaskCompleted("task/1", 1, value))

    assert player.entries[-1].data["error"]["code"] == "OUTPUT_INVALID"


def test_outputs_have_a_limit_each_and_together():
    player = Player(a_plan(TASK))
    player.see(TaskCompleted("task/1", 1, "x" * MAX_OUTPUT))
    assert player.entries[-1].data["error"]["code"] == "OUTPUT_TOO_LARGE"

    player = Player(a_plan("start > a; a > b; b > c; c > d; d > e; e > end"), "x" * (MAX_OUTPUT - 2))
    player.complete("a", "b", output="x" * (MAX_OUTPUT - 2))
    player.complete("c", output="x" * (MAX_OUTPUT - 12))
    with pytest.raises(Refused, match=str(MAX_STATE)):
        player.complete("d", output="x" * 9)


def test_a_timer_fires_after_its_duration():
    player = Player(a_plan("start > timer; timer > a; a > end"))

    (command,) = open_commands(player.plan, player.state)
    assert command == SetTimer("timer/1", NOW + timedelta(seconds=60))
    player.answer()

    assert player.open == ["a/1"]


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"until": "2026-01-01T02:00:00+01:00"}, NOW + timedelta(hours=1)),
        ({"untilExpression": "__context__.at"}, NOW + timedelta(days=1)),
        ({"durationExpression": "'PT2M'"}, NOW + timedelta(minutes=2)),
        ({"durationExpression": "1500"}, NOW + timedelta(seconds=1.5)),
    ],
)
def test_a_timer_may_compute_its_instant(settings, due):
    player = Player(a_plan("start > timer; timer > end", timer={"settings": settings}), {"at": "2026-01-02T00:00:00Z"})

    assert open_commands(player.plan, player.state)[0].due == due


@pytest.mark.parametrize(
    "settings", [{"untilExpression": "5"}, {"durationExpression": "'soon'"}, {"untilExpression": "("}]
)
def test_a_timer_without_an_instant_fails(settings):
    assert Player(a_plan("start > timer; timer > end", timer={"settings": settings})).state.status == "FAILED"


# Statuses on arrival: CQ13.


@pytest.mark.parametrize("status", ["PENDING", "DISABLED"])
def test_a_parked_step_waits_to_be_set_free(status):
    player = Player(arriving(a_plan(ONE), "a", status))
    assert player.state.open["a/1"].status == status
    assert phase(player.plan, player.state) == "WAITING_FOR_INPUT"
    with pytest.raises(Refused, match="move it to RUNNING first"):
        player.complete("a")

    player.see(StepUpdated("a", "RUNNING"))
    player.complete("a")

    assert player.state.status == "COMPLETED"


def test_a_step_that_arrives_completed_is_passed():
    player = Player(arriving(a_plan("start > a; a > b; b > end"), "a", "COMPLETED"))

    assert player.open == ["b/1"]
    assert player.types("a") == ["STEP_COMPLETED"]


def test_a_step_that_arrives_failed_fails_the_execution():
    assert Player(arriving(a_plan(ONE), "a", "FAILED")).state.status == "FAILED"


def test_the_transition_has_the_first_word_and_the_policy_the_second():
    plan = a_plan(ONE, a={"default_status": "DISABLED"})
    assert Player(plan).state.open["a/1"].status == "DISABLED"

    assert Player(arriving(plan, "a", "RUNNING")).state.open["a/1"].status == "WAITING"


def test_a_running_task_may_be_disabled_and_set_free_again():
    player = Player(a_plan(TASK))

    assert player.see(StepUpdated("task", "DISABLED")).commands == (Withdraw("task/1"),)
    assert not player.see(TaskCompleted("task/1", 1, None)).entries

    (command,) = player.see(StepUpdated("task", "RUNNING")).commands
    assert isinstance(command, RunTask)


def test_a_refused_update_says_what_would_be_allowed():
    player = Player(a_plan(ONE))

    with pytest.raises(Refused) as refused:
        player.see(StepUpdated("a", "COMPLETED"))

    assert refused.value.message == (
        "cannot move step a, visit 1, from WAITING to COMPLETED; allowed: DISABLED; CompleteStep completes it"
    )


def test_parked_steps_do_not_hold_an_execution_back_once_the_end_was_reached():
    player = Player(arriving(a_plan("start > ps; ps > a, b; a > c; b > c; c > end"), "b", "DISABLED"))

    player.complete("a", "c")

    assert player.state.status == "COMPLETED"
    assert player.types("b") == ["STEP_STARTED", "STEP_SKIPPED"]


def test_before_the_end_was_reached_a_parked_step_holds_the_execution():
    player = Player(arriving(a_plan(ONE), "a", "DISABLED"))

    assert player.is_open


# The end.


def test_a_failure_closes_what_is_open():
    player = Player(arriving(a_plan("start > ps; ps > task, a, b; task > c; a > c; b > c; c > end"), "b", "PENDING"))

    outcome = player.see(TaskFailed("task/1", 1, error(retriable=False)))

    assert player.types("a")[-1] == "STEP_CANCELLED"
    assert player.types("b")[-1] == "STEP_SKIPPED"
    assert player.state.status == "FAILED"
    assert set(outcome.commands) == {Withdraw("a/1"), Withdraw("b/1")}


def test_cancelling_withdraws_what_is_under_way_and_is_final():
    player = Player(a_plan(TASK))

    assert player.see(Cancelled("no more")).commands == (Withdraw("task/1"),)
    assert player.entries[-1].data == {"reason": "no more", "source": "USER"}
    assert not player.see(Cancelled("again")).entries
    assert not player.see(TaskCompleted("task/1", 1, None)).entries
    assert player.state.status == "CANCELLED"


def test_a_finished_execution_cannot_be_cancelled():
    player = Player(a_plan("start > end"))

    with pytest.raises(Refused, match="it is COMPLETED"):
        player.see(Cancelled())


def test_the_output_expression_gives_the_output():
    plan = replace(a_plan("start > a; a > end"), output_expression="{'sum': __steps__.a.outputData + __context__.n}")
    player = Player(plan, {"n": 1})

    player.complete("a", output=2)

    assert player.entries[-1].data == {"output": {"sum": 3}}


def test_a_loop_that_never_waits_ends_with_an_error():
    player = Player(a_plan("start > xs1; xs1 > xs2 if true, end; xs2 > xs1 if true, end"))

    assert player.entries[-1].data["error"]["code"] == "RUNAWAY_LOOP"


def test_one_advance_makes_a_bounded_number_of_moves():
    plan = a_plan("start > xs1; xs1 > xs2 if true, end; xs2 > xs1 if true, end")

    outcome = advance(plan, State(), Started(None), NOW, moves=50)

    assert len(outcome.entries) == 51
    assert outcome.state.tokens


def test_an_advance_that_stops_before_a_join_fires_is_taken_up_again():
    picture = "start > ps; ps > pj, pj2; pj > a; pj2 > a; a > end"
    plan = a_plan(picture)
    whole = Player(plan).entries

    for moves in range(1, len(whole)):
        outcome = advance(plan, State(), Started(None), NOW, moves=moves)
        entries = list(outcome.entries)
        while may_proceed(outcome.state):
            outcome = advance(plan, outcome.state, Proceeded(), NOW, moves=moves)
            entries += outcome.entries

        assert entries == whole
