"""Workers killed while they make up for what was done, and cancellations that come with the last step."""

from __future__ import annotations

import random
import threading
import time

import grpc

from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition

PARTS = 5
KILLS = 2
RACES = 50
COMPENSATED = 2


def an_order(queue, parts):
    """Tasks one after another, each with a compensation, and then a person."""
    names = [f"task_{number}" for number in range(1, parts + 1)]
    picture = "; ".join(f"{one} > {other}" for one, other in zip(["start", *names], [*names, "a"], strict=True))
    task = {"task": "effect", "taskQueue": queue, "timeout": 5000}
    steps = {name: {**task, "compensation": {"id": f"undo_{name}", **task}} for name in names}
    return definition(f"{picture}; a > end", **steps)


def await_open(api, ids):
    for id in ids:
        api.await_that(id, lambda _, id=id: api.open(id) == ["a"], timeout=60)


def test_a_worker_killed_again_and_again_makes_up_for_everything_once_and_in_reverse(
    own_heddle, start_process, workspace, sink
):
    heddle = own_heddle()
    api = Api(heddle.channel, workspace)
    dice = random.Random(5)
    id = api.start(an_order(workspace, PARTS)).execution.id
    await_open(api, [id])
    worker = heddle.worker

    api.call("CancelExecution", execution_id=id, reason="no more")
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.0, 0.1))
        worker.kill9()
        worker = start_process("work", heddle)

    execution = api.await_that(id, lambda one: one.compensation.status > 1, timeout=60)
    assert (status(execution), execution.compensation.status) == ("CANCELLED", COMPENSATED)
    undone = [f"undo_task_{number}" for number in range(PARTS, 0, -1)]
    assert [part.id for part in execution.compensation.plan] == undone
    assert list(sink.effects)[PARTS:] == [f"{id}/{name}/1" for name in undone]
    assert set(sink.effects.values()) == {1}
    assert [(step, visit, end) for step, visit, end in api.runs(id) if step in undone] == [
        (name, 1, "COMPLETED") for name in undone
    ]


def test_a_cancellation_that_comes_with_the_last_step_is_made_up_for_or_came_too_late(heddle, workspace, sink):
    api = Api(heddle.channel, workspace)
    version = api.publish(an_order(workspace, 1))
    dice = random.Random(31)
    ids = [api.start(version).execution.id for _ in range(RACES)]
    await_open(api, ids)

    for id in ids:
        race(
            lambda id=id: api.complete(id, "a"),
            lambda id=id: api.call("CancelExecution", execution_id=id),
            dice.uniform(-0.005, 0.005),
        )

    expected = {f"{id}/task_1/1": 1 for id in ids}
    for id in ids:
        execution = api.await_that(id, lambda one: one.HasField("end_time") and one.phase == 1, timeout=60)
        assert status(execution) in ("COMPLETED", "CANCELLED")
        if status(execution) == "CANCELLED":
            assert execution.compensation.status == COMPENSATED
            expected[f"{id}/undo_task_1/1"] = 1
        else:
            assert not execution.HasField("compensation")
        ends = [entry["type"] for entry in api.ledger(id) if entry["type"].startswith("EXECUTION_C")]
        assert ends[0] == f"EXECUTION_{status(execution)}"
    assert dict(sink.effects) == expected


def race(first, second, lead):
    """Do both at once, but for a lead of so many seconds; what is refused came too late."""
    barrier = threading.Barrier(2)
    refusals: list[grpc.StatusCode] = []

    def run(act, pause):
        barrier.wait()
        time.sleep(pause)
        try:
            act()
        except grpc.RpcError as error:
            refusals.append(error.code())

    threads = [
        threading.Thread(target=run, args=(first, max(0.0, -lead))),
        threading.Thread(target=run, args=(second, max(0.0, lead))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refusals) <= {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED}
