"""Following executions: streams of what happens, and starts that wait."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from temporalio import activity

from heddle.v1.ledger_entry_pb2 import LedgerEntry
from tests.end_to_end.api import Api, Refusal, phase, refused, status
from tests.end_to_end.definitions import PARALLEL, definition
from tests.end_to_end.task_worker import working

TWO_STEPS = definition("start > a; a > b; b > end")


class Tasks:
    """What the tasks of a test do: they wait until they are let through."""

    def __init__(self) -> None:
        self.open = threading.Event()


@pytest.fixture
def tasks(temporal_address, workspace):
    """A task worker on the queue that is named as the workspace."""
    told = Tasks()

    @activity.defn(name="pass")
    async def let_pass(task: dict) -> dict:
        while not told.open.is_set():
            await asyncio.sleep(0.01)
        return {"passed": True}

    with working(temporal_address, workspace, let_pass):
        yield told
        told.open.set()


@pytest.fixture
def with_task(workspace):
    """A task, then a human step."""
    return definition("start > task; task > a; a > end", task={"task": "pass", "taskQueue": workspace})


def numbers(messages) -> list[int]:
    return [entry.number for message in messages for entry in message.entries]


def watch(api: Api, execution_id: str, **fields):
    return api.call("WatchExecution", execution_id=execution_id, **fields)


def test_a_watcher_hears_everything_in_order_to_the_end(api):
    id = api.start(TWO_STEPS).execution.id
    stream = watch(api, id)
    heard = [next(stream)]
    assert (status(heard[0].execution), phase(heard[0].execution)) == ("STARTED", "WAITING_FOR_INPUT")
    assert numbers(heard) == [1, 2, 3]

    api.complete(id, "a")
    heard.append(next(stream))
    assert (heard[1].entries[0].number, heard[1].entries[0].step_id) == (4, "a")
    api.complete(id, "b")
    heard += stream

    assert status(heard[-1].execution) == "COMPLETED"
    assert numbers(heard) == list(range(1, len(api.ledger(id)) + 1))
    assert heard[-1].entries[-1].type == LedgerEntry.TYPE_EXECUTION_COMPLETED


def test_each_message_shows_the_execution_at_its_last_entry_or_later(api, workspace, tasks, with_task):
    tasks.open.set()
    version = api.publish(with_task)

    def follow(number):
        id = api.start(version).execution.id
        stream = watch(api, id)
        messages = []
        for message in stream:
            messages.append(message)
            if phase(message.execution) == "WAITING_FOR_INPUT" and number % 2:
                api.call("CancelExecution", execution_id=id)
            elif phase(message.execution) == "WAITING_FOR_INPUT":
                api.complete(id, "a")
        return messages

    with ThreadPoolExecutor(6) as threads:
        for messages in threads.map(follow, range(18)):
            for message in messages:
                assert message.execution.last_ledger_number >= max(numbers([message]), default=0)
            assert numbers(messages) == list(range(1, messages[-1].execution.last_ledger_number + 1))
            assert status(messages[-1].execution) in ("COMPLETED", "CANCELLED")


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_watcher_goes_on_from_a_number(api, after):
    id = api.start(TWO_STEPS).execution.id
    api.complete(id, "a")
    stream = watch(api, id, after_number=after)
    heard = [next(stream)]

    api.complete(id, "b")

    heard += stream
    assert numbers(heard) == list(range(after + 1, len(api.ledger(id)) + 1))


def test_a_watcher_who_knows_everything_hears_the_present_state_first(api):
    id = api.start(TWO_STEPS).execution.id
    stream = watch(api, id, after_number=3)
    first = next(stream)

    assert (first.execution.id, list(first.entries)) == (id, [])
    api.call("CancelExecution", execution_id=id)
    assert numbers(stream) == [4, 5]


@pytest.mark.parametrize("after", [0, 5, 6, 99])
def test_watching_what_has_ended_ends(api, after):
    id = api.start(TWO_STEPS).execution.id
    api.complete(id, "a")
    api.complete(id, "b")
    known = len(api.ledger(id))

    heard = list(watch(api, id, after_number=after))

    assert numbers(heard) == list(range(after + 1, known + 1))
    assert [status(message.execution) for message in heard] == ["COMPLETED"]


def test_watching_what_is_not_there_is_refused(api):
    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
        next(watch(api, "0197c5a0-0000-7000-8000-000000000000"))


def test_two_watchers_hear_the_same(api):
    id = api.start(PARALLEL).execution.id
    streams = [watch(api, id) for _ in range(2)]
    first = [next(stream) for stream in streams]

    for step in ("b", "a", "c", "d"):
        api.complete(id, step)

    heard = [numbers([message, *stream]) for message, stream in zip(first, streams, strict=True)]
    assert heard[0] == heard[1] == list(range(1, len(api.ledger(id)) + 1))


def test_a_server_has_places_for_so_many_watchers_and_gives_them_free(api):
    id = api.start(TWO_STEPS).execution.id
    streams = [watch(api, id) for _ in range(40)]
    heard = [first_of(stream) for stream in streams]
    assert {"TOO_MANY_WATCHERS"} == {message.reason for message in heard if isinstance(message, Refusal)}

    for stream in streams:
        stream.cancel()

    limit = time.monotonic() + 10
    while isinstance(first_of(stream := watch(api, id)), Refusal):
        assert time.monotonic() < limit
    stream.cancel()


def first_of(stream):
    try:
        return next(stream)
    except grpc.RpcError as error:
        return Refusal(error)


def test_a_watcher_may_have_a_deadline(api):
    id = api.start(TWO_STEPS).execution.id
    stream = watch(api, id, timeout=0.5)

    assert numbers([next(stream)]) == [1, 2, 3]
    with pytest.raises(grpc.RpcError) as error:
        next(stream)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


# Starts that wait.


@pytest.mark.parametrize("wait_for", ["WAIT_FOR_UNSPECIFIED", "WAIT_FOR_NOTHING"])
def test_a_start_need_not_wait(api, tasks, with_task, wait_for):
    answer = api.start(with_task, wait_for=wait_for)

    assert phase(answer.execution) == "RUNNING"
    assert [(run.step_id, status(run)) for run in answer.step_runs] == [("start", "COMPLETED"), ("task", "RUNNING")]


def test_a_start_may_wait_until_the_execution_does(api, tasks, with_task):
    tasks.open.set()

    answer = api.start(with_task, wait_for="WAIT_FOR_FIRST_WAIT")

    assert (status(answer.execution), phase(answer.execution)) == ("STARTED", "WAITING_FOR_INPUT")
    assert [(run.step_id, status(run)) for run in answer.step_runs][1:] == [("task", "COMPLETED"), ("a", "WAITING")]


def test_a_start_may_wait_for_the_end(api, tasks, with_task):
    tasks.open.set()
    definition = with_task | {"outputExpression": {"src": "__steps__.task.passed"}}
    version = api.publish(definition)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(api.start, version, wait_for="WAIT_FOR_END", request_id="waits")
        id = first_execution(api)
        api.await_that(id, lambda execution: phase(execution) == "WAITING_FOR_INPUT")
        assert not waiting.done()

        api.complete(id, "a")

        answer = waiting.result()
    assert (status(answer.execution), answer.execution.output_json) == ("COMPLETED", "true")
    assert [status(run) for run in answer.step_runs] == ["COMPLETED"] * 4


def first_execution(api: Api) -> str:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        if found := api.call("ListExecutions").executions:
            return found[0].id
        time.sleep(0.01)
    pytest.fail("no execution was started")


def test_a_start_that_waits_for_the_end_has_what_needs_nobody_at_once(api):
    answer = api.start(definition("start > end"), wait_for="WAIT_FOR_END")

    assert status(answer.execution) == "COMPLETED"


@pytest.mark.parametrize("wait_for", ["WAIT_FOR_FIRST_WAIT", "WAIT_FOR_END"])
def test_a_start_whose_deadline_comes_first_tells_the_state_by_then(api, tasks, with_task, wait_for):
    version = api.publish(with_task)
    began = time.monotonic()

    answer = api.start(version, wait_for=wait_for, timeout=1.5)

    assert time.monotonic() - began > 0.5
    assert (status(answer.execution), phase(answer.execution)) == ("STARTED", "RUNNING")


def test_a_start_that_waits_is_answered_again_when_it_is_repeated(api, tasks, with_task):
    version = api.publish(with_task)
    first = api.start(version, wait_for="WAIT_FOR_FIRST_WAIT", timeout=0.8, request_id="again")
    tasks.open.set()

    again = api.start(version, wait_for="WAIT_FOR_FIRST_WAIT", request_id="again")

    assert again.execution.id == first.execution.id
    assert phase(again.execution) == "WAITING_FOR_INPUT"
