"""Catching errors and making up for what was done, through the real server, Temporal and PostgreSQL."""

from __future__ import annotations

import json
from collections import deque

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from heddle.v1.history_event_pb2 import HistoryEvent
from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import definition
from tests.end_to_end.task_worker import working

ONCE = {"maxAttempts": 1}


class Shop:
    """The tasks of an order: it notes what it did, and fails at what it is told to."""

    def __init__(self) -> None:
        self.done: deque[tuple[str, dict]] = deque()
        self.failing: set[str] = set()

    def names(self) -> list[str]:
        return [name for name, _ in self.done]


@pytest.fixture
def shop(temporal_address, workspace):
    """A worker for the tasks, on the queue that is named as the workspace."""
    shop = Shop()

    def a_task(name):
        @activity.defn(name=name)
        async def act(task: dict) -> dict:
            shop.done.append((name, task["input"]))
            if name in shop.failing:
                raise ApplicationError("told to", {"category": "BUSINESS"}, type="REFUSED", non_retryable=True)
            return {"by": name, "paymentId": "PAY-1"}

        return act

    tasks = [a_task(name) for name in ("reserve", "pay", "ship", "release", "refund", "recall", "tell")]
    with working(temporal_address, workspace, *tasks):
        yield shop


def order(
    queue,
    picture="start > task_reserve; task_reserve > task_pay; task_pay > a; a > task_ship; task_ship > b; b > end",
    **more,
):
    def task(name, undo, **fields):
        return {
            "task": name,
            "taskQueue": queue,
            "retry": ONCE,
            "compensation": {"id": undo, "task": undo, "taskQueue": queue, "retry": ONCE, **fields},
        }

    steps = {
        "task_reserve": task("reserve", "release", condition="__steps__.task_pay.status = 'COMPLETED'"),
        "task_pay": task(
            "pay",
            "refund",
            input={"id": "{% __steps__.task_pay.outputData.paymentId %}", "why": "{% __cancellation__.reason %}"},
        ),
        "task_ship": task("ship", "recall"),
    }
    return definition(picture, name="Order", **steps) | more


def await_compensated(api, id):
    return api.await_that(id, lambda one: one.compensation.status in (2, 3) and one.phase == 1)


def parts(execution):
    return [part.id for part in execution.compensation.plan]


def test_b4_what_was_done_is_made_up_for_in_reverse(api: Api, workspace, shop):
    id = api.start(order(workspace)).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])

    answer = api.call("CancelExecution", execution_id=id, reason="No more", requested_by="anna").execution

    assert status(answer) == "CANCELLED"
    assert parts(answer) == ["refund", "release"]
    assert (answer.cancellation.reason, answer.cancellation.requested_by, answer.cancellation.source) == (
        "No more",
        "anna",
        1,
    )
    execution = await_compensated(api, id)
    assert execution.compensation.status == 2
    assert shop.names() == ["reserve", "pay", "refund", "release"]
    assert dict(shop.done)["refund"] == {"id": "PAY-1", "why": "No more"}
    assert dict(shop.done)["release"]["cancellation"]["requestedBy"] == "anna"
    assert api.runs(id)[-2:] == [("refund", 1, "COMPLETED"), ("release", 1, "COMPLETED")]
    assert api.ledger(id)[-1]["type"] == "EXECUTION_COMPENSATED"
    assert status(execution) == "CANCELLED"


def history(api, id):
    found = api.call("ListHistoryEvents", execution_id=id, page_size=200).events
    return [f"{HistoryEvent.Type.Name(one.type).removeprefix('TYPE_')} {one.step_id}".strip() for one in found]


def test_b1_the_history_tells_the_steps_and_the_end(api: Api, workspace, shop):
    picture = "start > task_reserve; task_reserve > task_pay; task_pay > task_ship; task_ship > end"
    id = api.start(order(workspace, picture)).execution.id
    api.await_end(id)

    assert history(api, id) == [
        "WORKFLOW_STARTED",
        *(f"STEP_{what} task_{step}" for step in ("reserve", "pay", "ship") for what in ("STARTED", "COMPLETED")),
        "WORKFLOW_COMPLETED",
    ]


def test_b4_the_history_tells_what_is_made_up_for(api: Api, workspace, shop):
    id = api.start(order(workspace)).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    shop.failing.add("refund")
    api.call("CancelExecution", execution_id=id, reason="No more", requested_by="anna")
    await_compensated(api, id)

    assert history(api, id)[5:] == [
        "STEP_STARTED a",
        "STEP_WAITING a",
        "STEP_CANCELLED a",
        "WORKFLOW_CANCELLED",
        "COMPENSATION_STARTED",
        "COMPENSATION_STEP_STARTED refund",
        "COMPENSATION_STEP_FAILED refund",
        "COMPENSATION_STEP_STARTED release",
        "COMPENSATION_STEP_COMPLETED release",
        "COMPENSATION_COMPLETED",
    ]
    cancelled = api.call("ListHistoryEvents", execution_id=id).events[8]
    assert json.loads(cancelled.details_json) == {"reason": "No more", "source": "USER", "requestedBy": "anna"}


def test_b4_after_the_shipment_it_is_recalled_first_and_what_fails_is_told(api: Api, workspace, shop):
    id = api.start(order(workspace)).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    api.complete(id, "a")
    api.await_that(id, lambda _: api.open(id) == ["b"])
    shop.failing.add("refund")

    api.call("CancelExecution", execution_id=id)

    execution = await_compensated(api, id)
    assert parts(execution) == ["recall", "refund", "release"]
    assert execution.compensation.status == 3
    (failed,) = execution.compensation.failed
    assert (failed.id, failed.error.code, failed.HasField("time")) == ("refund", "REFUSED", True)
    assert shop.names()[-3:] == ["recall", "refund", "release"]


def test_b4_whoever_does_not_want_it_gets_none(api: Api, workspace, shop):
    id = api.start(order(workspace)).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])

    execution = api.call("CancelExecution", execution_id=id, should_compensate=False).execution

    assert not execution.HasField("compensation")
    assert shop.names() == ["reserve", "pay"]
    with refused("FAILED_PRECONDITION", "EXECUTION_NOT_FAILED"):
        api.call("RetryExecution", execution_id=id)


def test_b4_what_has_completed_is_not_cancelled(api: Api):
    id = api.start(definition("start > a; a > end")).execution.id
    api.complete(id, "a")

    with refused("FAILED_PRECONDITION", "EXECUTION_ENDED"):
        api.call("CancelExecution", execution_id=id)


def test_aq4_a_failure_is_made_up_for_where_the_definition_asks_for_it(api: Api, workspace, shop):
    shop.failing.add("ship")
    picture = "start > task_reserve; task_reserve > task_pay; task_pay > task_ship; task_ship > end"
    id = api.start(order(workspace, picture, compensateOnFailure=True)).execution.id

    execution = await_compensated(api, id)

    assert status(execution) == "FAILED"
    assert execution.error.code == "REFUSED"
    assert shop.names()[-2:] == ["refund", "release"]
    with refused("FAILED_PRECONDITION", "EXECUTION_COMPENSATED"):
        api.call("RetryExecution", execution_id=id)


def test_b2_an_error_leads_to_its_handler_with_what_it_says(api: Api, workspace, shop):
    shop.failing.add("pay")
    picture = "start > task_pay; task_pay > pj; task_pay > task_tell on BUSINESS; task_tell > pj; pj > end"
    document = definition(
        picture,
        task_pay={"task": "pay", "taskQueue": workspace, "input": {"amount": 7}},
        task_tell={"task": "tell", "taskQueue": workspace},
    )
    document["stepTransitions"][2]["input"] = {
        "why": "{% __error__.message %}",
        "amount": "{% __failed__.input.amount %}",
    }

    execution = api.await_end(api.start(document).execution.id)

    assert status(execution) == "COMPLETED"
    assert shop.done[-1] == ("tell", {"why": "told to", "amount": 7})
    assert ("task_pay", 1, "FAILED") in api.runs(execution.id)


def test_deleting_waits_for_the_end_of_a_compensation(api: Api, workspace):
    id = api.start(order(workspace)).execution.id  # nobody works, so nothing is done yet
    api.call("CancelExecution", execution_id=id)
    assert json.loads(api.execution(id).input_json) == {}
    api.call("DeleteExecution", execution_id=id)


@pytest.mark.parametrize("wanted", [True, False])
def test_children_make_up_for_what_they_did_as_their_parent_does(api: Api, workspace, shop, wanted):
    child = api.publish(order(workspace, "start > task_reserve; task_reserve > task_pay; task_pay > a; a > end"))
    step = {"type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowTemplateVersionId": child.id}
    id = api.start(definition("start > sub; sub > end", sub=step)).execution.id
    (started,) = api.call("ListExecutions", parent_execution_id=id).executions
    api.await_that(started.id, lambda _: api.open(started.id) == ["a"])

    api.call("CancelExecution", execution_id=id, should_compensate=wanted)

    assert status(api.await_end(started.id)) == "CANCELLED"
    if wanted:
        assert parts(await_compensated(api, started.id)) == ["refund", "release"]
    else:
        assert not api.execution(started.id).HasField("compensation")
        assert shop.names() == ["reserve", "pay"]
