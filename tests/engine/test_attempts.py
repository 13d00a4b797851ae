"""When a failed attempt is made again: every line of a retry policy, and the pauses between attempts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.definition.steps import retrying
from service.engine.attempts import may_retry, pause
from service.engine.commands import RunTask, SetTimer
from service.engine.observations import TaskCompleted, TaskFailed, TimerFired
from tests.engine.graphs import Player, a_plan

TASK = "start > task; task > end"


def error(code="FLAKY", category="TRANSIENT", retriable=True):
    return {"code": code, "message": "no", "category": category, "retriable": retriable}


def policy(**written):
    return retrying.compiled(written)


@pytest.mark.parametrize(
    ("written", "attempt", "failure", "again"),
    [
        # AQ12: maxAttempts is the total.
        ({}, 1, error(), True),
        ({}, 2, error(), True),
        ({}, 3, error(), False),
        ({"maxAttempts": 1}, 1, error(), False),
        ({"maxAttempts": 2}, 1, error(), True),
        ({"maxAttempts": 2}, 2, error(), False),
        # What says that trying again does not help is not tried again, whatever the policy names.
        ({}, 1, error(retriable=False), False),
        ({"retryableErrors": ["FLAKY"]}, 1, error(retriable=False), False),
        # By code and by category.
        ({"retryableErrors": ["FLAKY"]}, 1, error(), True),
        ({"retryableErrors": ["TRANSIENT"]}, 1, error(), True),
        ({"retryableErrors": ["OTHER", "TIMEOUT"]}, 1, error(), False),
        ({"retryableErrors": []}, 1, error(), False),
        ({"nonRetryableErrors": ["FLAKY"]}, 1, error(), False),
        ({"nonRetryableErrors": ["TRANSIENT"]}, 1, error(), False),
        ({"nonRetryableErrors": ["OTHER"]}, 1, error(), True),
        ({"nonRetryableErrors": []}, 1, error(), True),
        # What is excluded is excluded, also when it is included.
        ({"retryableErrors": ["FLAKY"], "nonRetryableErrors": ["TRANSIENT"]}, 1, error(), False),
        ({"retryableErrors": ["TRANSIENT"], "nonRetryableErrors": ["FLAKY"]}, 1, error(), False),
        # An error of the time before categories, and one that does not say whether it is retriable.
        ({"retryableErrors": ["FLAKY"]}, 1, {"code": "FLAKY", "message": "no"}, True),
        ({"nonRetryableErrors": ["TIMEOUT"]}, 1, {"code": "FLAKY", "message": "no"}, True),
    ],
)
def test_aq12_a_retry_policy_says_whether_there_is_another_attempt(written, attempt, failure, again):
    assert may_retry(policy(**written), attempt, failure) is again


@pytest.mark.parametrize(
    ("written", "pauses"),
    [
        ({}, [1, 2, 4, 8, 16, 32, 60, 60]),
        ({"initialInterval": 1000, "maxInterval": 3000}, [1, 2, 3, 3]),
        ({"initialInterval": "PT5M", "backoffMultiplier": 1, "maxInterval": "PT1H"}, [300, 300, 300]),
        ({"initialInterval": 200, "backoffMultiplier": 1.5}, [0.2, 0.3, 0.45]),
        ({"initialInterval": 0}, [0, 0, 0]),
        ({"initialInterval": "PT2M", "maxInterval": "PT1M"}, [60, 60]),
        # AQ14: a number is milliseconds, a string is ISO 8601.
        ({"initialInterval": 1000}, [1, 2, 4]),
        ({"initialInterval": "PT1S"}, [1, 2, 4]),
    ],
)
def test_aq14_the_pause_grows_by_the_multiplier_up_to_the_longest(written, pauses):
    found = [pause(policy(**written), attempt) for attempt in range(1, len(pauses) + 1)]

    assert found == pytest.approx(pauses)


def test_the_pause_of_a_late_attempt_is_the_longest():
    assert pause(policy(backoffMultiplier=100), 9_999) == 60


def test_b2_a_payment_that_times_out_twice_succeeds_at_the_third_attempt():
    retry = policy(maxAttempts=3, initialInterval=1000, backoffMultiplier=2)
    settings = {**a_plan(TASK).step["task"].settings, "retry": retry}
    player = Player(a_plan(TASK, task={"settings": settings}))
    begun, asked = player.now, [timedelta(0)]
    for attempt in (1, 2):
        outcome = player.see(TaskFailed("task/1", attempt, error("TIMEOUT", "TIMEOUT")))
        timer = outcome.commands[-1]
        assert isinstance(timer, SetTimer)
        player.now = timer.due
        again = player.see(TimerFired("task/1")).commands[-1]
        assert isinstance(again, RunTask)
        assert again.attempt == attempt + 1
        asked.append(player.now - begun)

    player.see(TaskCompleted("task/1", 3, {"paymentId": "PAY-1", "status": "authorized"}))

    assert asked == [timedelta(seconds=0), timedelta(seconds=1), timedelta(seconds=3)]
    assert player.state.status == "COMPLETED"
    assert player.state.results["task"].attempt == 3


def test_b2_an_error_that_may_not_be_retried_fails_at_the_first_attempt():
    retry = policy(maxAttempts=3, nonRetryableErrors=["CARD_STOLEN"])
    settings = {**a_plan(TASK).step["task"].settings, "retry": retry}
    player = Player(a_plan(TASK, task={"settings": settings}))

    player.see(TaskFailed("task/1", 1, error("CARD_STOLEN", "BUSINESS")))

    assert (player.state.status, player.types("task").count("ATTEMPT_FAILED")) == ("FAILED", 0)
