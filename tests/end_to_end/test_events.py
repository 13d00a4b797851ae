"""Events that wake executions: each once, whichever of event and wait comes first."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from typing import Any

import pytest

from heddle.v1 import event_pb2
from tests.end_to_end.api import PATIENCE, Api, phase, refused, status
from tests.end_to_end.definitions import definition

CONDITION = "__event__.payload.orderId = __context__.orderId"


def waiting(picture: str = "start > wait; wait > end", **settings: Any) -> dict[str, Any]:
    """A definition whose steps `wait…` wait for the payment of the order in the input."""
    step = {"type": "event.wait", "pattern": "payment.received", "condition": CONDITION} | settings
    ids = {id for part in picture.replace(">", ";").replace(",", ";").split(";") if (id := part.strip())}
    return definition(picture, **{id: step for id in ids if id.startswith("wait")})


def publish(api: Api, event_id: str, name: str = "payment.received", **payload: Any) -> Any:
    return api.call("PublishEvent", event_id=event_id, name=name, payload_json=json.dumps(payload))


def told(answer: Any) -> list[tuple[str, str]]:
    """Status and reason of the deliveries in an answer."""
    return [
        (
            event_pb2.Delivery.Status.Name(one.status).removeprefix("STATUS_"),
            one.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number[one.reason].name[13:],
        )
        for one in answer.deliveries
    ]


def deliveries(api: Api, execution_id: str) -> list[tuple[str, str, str]]:
    found = api.call("ListDeliveries", execution_id=execution_id)
    return [(one.event_id, *state) for one, state in zip(found.deliveries, told(found), strict=True)]


def await_settled(api: Api, execution_id: str, count: int) -> list[tuple[str, str, str]]:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        found = deliveries(api, execution_id)
        if len(found) == count and all(state != "PENDING" for _, state, _ in found):
            return found
        time.sleep(0.1)
    pytest.fail(f"still {found}")


def test_an_event_wakes_the_execution_that_waits_for_it(api):
    id = api.start(waiting(payloadMapping={"paymentId": "id"}), {"orderId": "ORD-1"}).execution.id
    assert phase(api.execution(id)) == "WAITING_FOR_EVENT"

    other = publish(api, "other", orderId="ORD-2", id="PAY-1")
    answer = publish(api, "right", orderId="ORD-1", id="PAY-9")

    assert (told(other), other.complete) == ([], True)  # its key tells that it is for another order
    assert (told(answer), answer.complete) == ([("CONSUMED", "UNSPECIFIED")], True)
    assert status(api.execution(id)) == "COMPLETED"
    run = next(run for run in api.call("ListStepRuns", execution_id=id).step_runs if run.step_id == "wait")
    assert json.loads(run.output_json) == {"paymentId": "PAY-9"}


def test_the_same_event_twice_is_taken_once(api):
    id = api.start(waiting("start > wait; wait > a; a > end"), {"orderId": "1"}).execution.id
    first = publish(api, "e", orderId="1")

    assert publish(api, "e", orderId="1") == first
    assert deliveries(api, id) == [("e", "CONSUMED", "UNSPECIFIED")]
    assert [entry["type"] for entry in api.ledger(id)].count("STEP_COMPLETED") == 2


@pytest.mark.parametrize("late", ["the first step", "a later step"])
def test_aq11_an_event_that_comes_before_the_wait_is_found(api, late):
    first = late == "the first step"
    version = api.publish(waiting(lookBack="PT1H") if first else waiting("start > a; a > wait; wait > end"))
    if first:
        publish(api, "e", orderId="1")
    id = api.start(version, {"orderId": "1"}).execution.id
    if not first:
        publish(api, "e", orderId="1")
        api.complete(id, "a")

    assert status(api.await_end(id)) == "COMPLETED"
    assert deliveries(api, id) == [("e", "CONSUMED", "UNSPECIFIED")]


def test_aq11_an_event_from_before_the_execution_or_outside_the_look_back_does_not_count(api):
    publish(api, "before", orderId="1")
    early = api.start(waiting(), {"orderId": "1"}).execution.id
    none = api.start(waiting("start > a; a > wait; wait > end", lookBack="PT0S"), {"orderId": "1"}).execution.id
    publish(api, "between", orderId="1")
    api.complete(none, "a")

    assert status(api.execution(early)) == "COMPLETED"
    assert deliveries(api, early) == [("between", "CONSUMED", "UNSPECIFIED")]
    assert deliveries(api, none) == []
    publish(api, "after", orderId="1")
    assert status(api.execution(none)) == "COMPLETED"


def test_aq7_a_wait_for_a_wildcard_takes_an_event_that_matches(api):
    version = definition("start > wait; wait > end", wait={"type": "event.wait", "pattern": "payment.*"})
    id = api.start(version).execution.id

    publish(api, "1", "payments.received")
    assert status(api.execution(id)) == "STARTED"
    publish(api, "2", "payment.card.received")
    assert status(api.execution(id)) == "COMPLETED"


def test_aq9_a_condition_sees_event_and_execution_and_one_that_fails_counts_as_false(api):
    condition = "__event__.payload.amount > __context__.least"
    id = api.start(waiting(condition=condition), {"least": 10}).execution.id

    answers = [publish(api, str(number), amount=amount) for number, amount in enumerate([5, "x", 11])]

    assert [told(answer) for answer in answers] == [
        [("REJECTED", "EVENT_CONDITION_FALSE")],
        [("REJECTED", "EVENT_CONDITION_FAILED")],
        [("CONSUMED", "UNSPECIFIED")],
    ]
    assert status(api.execution(id)) == "COMPLETED"


def test_two_waits_of_one_execution_do_not_take_the_same_event(api):
    id = api.start(waiting("start > ps; ps > wait1, wait2; wait1 > pj; wait2 > pj; pj > end"), {"orderId": "1"})
    id = id.execution.id

    first = publish(api, "1", orderId="1")
    assert sorted(told(first)) == [("CONSUMED", "UNSPECIFIED"), ("REJECTED", "EVENT_ALREADY_CONSUMED")]
    assert status(api.execution(id)) == "STARTED"
    publish(api, "2", orderId="1")
    assert status(api.execution(id)) == "COMPLETED"


def test_one_event_wakes_many_executions(api):
    version = api.publish(waiting())
    ids = [api.start(version, {"orderId": "1"}).execution.id for _ in range(20)]

    answer = publish(api, "e", orderId="1")

    assert told(answer) == [("CONSUMED", "UNSPECIFIED")] * 20
    assert {one.execution_id for one in answer.deliveries} == set(ids)
    assert {status(api.execution(id)) for id in ids} == {"COMPLETED"}


@pytest.mark.parametrize("round", range(15))
def test_an_event_that_races_the_wait_is_taken_once(api, round):
    version = api.publish(waiting("start > a; a > wait; wait > b; b > end"))
    id = api.start(version, {"orderId": "1"}).execution.id
    barrier = threading.Barrier(2)

    def act(call):
        barrier.wait()
        call()

    calls = [partial(api.complete, id, "a"), partial(publish, api, "e", orderId="1")]
    threads = [threading.Thread(target=act, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    api.await_that(id, lambda _: api.open(id) == ["b"])
    assert await_settled(api, id, 1) == [("e", "CONSUMED", "UNSPECIFIED")]


@pytest.mark.parametrize("round", range(6))
def test_an_event_that_races_the_timeout_or_a_cancel_has_one_outcome(api, round):
    picture = "start > wait; wait > a, b on TIMEOUT; a > c; b > c; c > end"
    id = api.start(waiting(picture, timeout="PT0.3S"), {"orderId": "1"}).execution.id
    time.sleep(0.27 + 0.01 * round)
    publish(api, "e", orderId="1")

    api.await_that(id, lambda _: api.open(id) in (["a"], ["b"]))
    taken = api.open(id) == ["a"]
    found = await_settled(api, id, 1) if taken or deliveries(api, id) else []
    if taken:
        assert found == [("e", "CONSUMED", "UNSPECIFIED")]
    else:
        assert found in ([], [("e", "REJECTED", "EVENT_NOT_AWAITED")])


def test_two_events_at_once_wake_an_execution_once(api):
    id = api.start(waiting("start > wait; wait > a; a > end"), {"orderId": "1"}).execution.id
    barrier = threading.Barrier(4)

    def act(number):
        barrier.wait()
        publish(api, str(number), orderId="1")

    threads = [threading.Thread(target=act, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    states = [state for _, state, _ in deliveries(api, id)]
    assert states.count("CONSUMED") == 1
    assert "PENDING" not in states
    assert api.runs(id)[1:] == [("wait", 1, "COMPLETED"), ("a", 1, "WAITING")]


def test_a_wait_in_a_loop_takes_stored_events_one_by_one(api):
    picture = "start > a; a > wait; wait > xs; xs > wait if __steps__.wait.outputData.last != true, end"
    id = api.start(waiting(picture), {"orderId": "1"}).execution.id
    for number in range(12):
        publish(api, str(number), orderId="1", last=number == 11)
    api.complete(id, "a")

    assert status(api.await_end(id)) == "COMPLETED"
    assert len([run for run in api.runs(id) if run[0] == "wait"]) == 12
    assert {state for _, state, _ in deliveries(api, id)} == {"CONSUMED"}


def test_an_event_that_is_published_while_the_start_is_unconfirmed_arrives(api):
    version = api.publish(waiting())
    started = threading.Thread(target=partial(api.start, version, {"orderId": "1"}))
    started.start()
    publish(api, "e", orderId="1")
    started.join()
    time.sleep(1)
    publish(api, "f", orderId="1")

    (execution,) = api.call("ListExecutions").executions
    assert status(api.await_end(execution.id)) == "COMPLETED"
    assert [state for _, state, _ in deliveries(api, execution.id)].count("CONSUMED") == 1


def test_a_cancellation_trigger_of_the_definition_cancels(api):
    wanted = definition("start > a; a > end") | {
        "cancellationTriggers": [{"pattern": "order.withdrawn", "condition": CONDITION, "reason": "withdrawn"}]
    }
    id = api.start(wanted, {"orderId": "1"}).execution.id

    assert told(publish(api, "other", "order.withdrawn", orderId="2")) == []
    answer = publish(api, "right", "order.withdrawn", orderId="1")

    assert told(answer) == [("CONSUMED", "UNSPECIFIED")]
    execution = api.execution(id)
    assert (status(execution), execution.cancellation.reason, execution.cancellation.event_id) == (
        "CANCELLED",
        "withdrawn",
        "right",
    )


def test_a_retried_execution_can_be_cancelled_by_its_triggers_again(api):
    failing = definition("start > wait; wait > end", wait={"type": "event.wait", "pattern": "x", "timeout": "PT1S"})
    id = api.start(failing | {"cancellationTriggers": [{"pattern": "order.withdrawn"}]}).execution.id
    assert status(api.await_end(id)) == "FAILED"

    api.call("RetryExecution", execution_id=id)
    publish(api, "e", "order.withdrawn")

    assert status(api.await_end(id)) == "CANCELLED"
    assert await_settled(api, id, 1) == [("e", "CONSUMED", "UNSPECIFIED")]


def test_an_event_that_came_while_an_execution_had_failed_is_found_when_it_goes_on(api):
    step = {"type": "event.wait", "pattern": "x", "timeout": "PT1S"}
    failing = definition("start > wait; wait > end", wait=step)
    id = api.start(failing | {"cancellationTriggers": [{"pattern": "order.withdrawn"}]}).execution.id
    api.await_end(id)

    publish(api, "e", "order.withdrawn")
    api.call("RetryExecution", execution_id=id)

    assert await_settled(api, id, 1) == [("e", "CONSUMED", "UNSPECIFIED")]


def test_what_an_execution_comes_to_is_an_event(api):
    version = api.publish(definition("start > a; a > end", name="Order"))
    done = api.start(version, correlation_id="ORD-1").execution.id
    api.complete(done, "a", {"x": 1})
    gone = api.start(version).execution.id
    api.call("CancelExecution", execution_id=gone)

    found = api.call("ListEvents", pattern="workflow.*").events

    assert [event.name for event in reversed(found)] == [
        "workflow.waiting",
        "workflow.completed",
        "workflow.waiting",
        "workflow.cancelled",
    ]
    completed = next(event for event in found if event.name == "workflow.completed")
    payload = json.loads(completed.payload_json)
    assert payload["executionId"] == done
    assert payload["templateId"] == version.template_id
    assert payload["templateKey"].startswith("t-")
    assert payload["versionId"] == version.id
    assert (payload["correlationId"], payload["status"]) == ("ORD-1", "COMPLETED")
    assert json.loads(completed.metadata_json) == {"correlationId": "ORD-1"}


def test_an_execution_waits_for_the_end_of_another(api):
    child = api.start(definition("start > a; a > end")).execution.id
    step = {
        "type": "event.wait",
        "pattern": "workflow.*",
        "condition": "__event__.payload.executionId = __context__.other and __event__.pattern = 'workflow.completed'",
    }
    id = api.start(definition("start > wait; wait > end", wait=step), {"other": child}).execution.id

    api.complete(child, "a")

    assert status(api.await_end(id)) == "COMPLETED"


def test_an_unknown_pattern_or_name_wakes_nobody(api):
    id = api.start(waiting(), {"orderId": "1"}).execution.id

    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        publish(api, "e", "payment.*", orderId="1")
    publish(api, "f", "payment.received.again", orderId="1")
    publish(api, "g", "payment", orderId="1")

    assert status(api.execution(id)) == "STARTED"
