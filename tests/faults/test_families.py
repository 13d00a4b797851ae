"""Parents and children while workers die and workflows vanish: every child once, every end told."""

from __future__ import annotations

import asyncio
import json
import random
import time

import grpc
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from storage import database
from storage.database import query
from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition

ITEMS = 200
KILLS = 10


def a_batch(version_id, **more):
    step = {
        "type": "sys.sub_workflow",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": version_id,
        "iterable": {"expr": {"src": "__context__.items"}},
        "inputMapping": [{"id": "m", "targetPath": "item", "value": {"ref": {"source": "EACH", "path": "n"}}}],
    }
    return definition("start > sub; sub > end", sub={**step, **more}) | {
        "outputExpression": {"src": "__steps__.sub.outputData"}
    }


def a_child(workspace):
    task = {"task": "effect", "taskQueue": workspace}
    return definition("start > task; task > end", task=task) | {"outputExpression": {"src": "__context__.item"}}


def await_children(api, id, number):
    """Wait until so many children run; gives them."""

    def running():
        children = api.call("ListExecutions", parent_execution_id=id).executions
        return [child for child in children if status(child) == "STARTED"]

    api.await_that(id, lambda _: len(running()) == number)
    return running()


def terminate(heddle, workflow_id):
    async def end() -> None:
        client = await Client.connect(heddle.settings.temporal_address)
        await client.get_workflow_handle(workflow_id).terminate("behind the back")

    asyncio.run(end())


KINDS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: "TOLD",
    EventType.EVENT_TYPE_TIMER_FIRED: "QUIET",
}


def words(heddle, workflow_id):
    """When each run of a workflow was told something and when it had waited, from the first run to the last."""

    async def fetch():
        client = await Client.connect(heddle.settings.temporal_address)
        runs, run_id = [], None
        while run_id != "":
            history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
            runs.append([KINDS[event.event_type] for event in history.events if event.event_type in KINDS])
            run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        return runs[::-1]

    return asyncio.run(fetch())


def test_a_worker_killed_in_the_middle_of_a_batch_loses_and_doubles_no_child(
    own_heddle, start_process, workspace, sink
):
    heddle = own_heddle()
    api = Api(heddle.channel, workspace)
    child = api.publish(a_child(workspace))
    dice = random.Random(11)
    worker = heddle.worker
    id = api.start(a_batch(child.id), {"items": [{"n": n} for n in range(ITEMS)]}).execution.id
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.3, 1.0))
        worker.kill9()
        worker = start_process("work", heddle)

    execution = api.await_end(id, timeout=120)

    assert status(execution) == "COMPLETED"
    assert json.loads(execution.output_json) == list(range(ITEMS))
    database.connect(heddle.settings.database_url)
    children = query("SELECT parent_item, id, status FROM executions WHERE parent_id = %s ORDER BY 1", (id,))
    assert [item for item, _, _ in children] == list(range(ITEMS))
    assert {state for _, _, state in children} == {"COMPLETED"}
    assert set(sink.effects) == {f"{child_id}/task/1" for _, child_id, _ in children}
    started = [item for e in api.ledger(id) if e["type"] == "CHILDREN_STARTED" for item in e["data"]["items"]]
    assert sorted(started) == list(range(ITEMS))


def test_a_batch_goes_on_when_the_parent_continues_as_new(own_heddle, workspace, sink):
    heddle = own_heddle(HEDDLE_HISTORY_LIMIT="40")
    api = Api(heddle.channel, workspace)
    child = api.publish(a_child(workspace))
    parent = a_batch(child.id, maxConcurrency=5)
    id = api.start(parent, {"items": [{"n": n} for n in range(60)]}).execution.id

    execution = api.await_end(id, timeout=60)

    assert json.loads(execution.output_json) == list(range(60))
    runs = words(heddle, f"heddle/{workspace}/{id}")
    assert len(runs) > 3
    # Temporal refuses the end of a run that a word overtakes, and then the whole run is repeated.
    assert [run[-1] for run in runs[:-1]] == ["QUIET"] * (len(runs) - 1)


def test_a_sync_finds_a_workflow_that_was_terminated_and_tells_the_family(own_heddle, workspace):
    heddle = own_heddle()
    api = Api(heddle.channel, workspace)
    child = api.publish(definition("start > a; a > end"))
    id = api.start(a_batch(child.id), {"items": [{"n": 1}, {"n": 2}]}).execution.id
    first, second = await_children(api, id, 2)
    terminate(heddle, f"heddle/{workspace}/{first.id}")

    answer = api.call("SyncExecution", execution_id=first.id)

    assert [repair.kind for repair in answer.repairs] == [2], answer.repairs
    assert status(answer.execution) == "FAILED"
    assert answer.execution.error.code == "TEMPORAL_TERMINATED"
    assert status(api.await_end(id)) == "FAILED"
    assert status(api.await_end(second.id)) == "CANCELLED"
    assert not api.call("SyncExecution", execution_id=first.id).repairs
    api.call("RetryExecution", execution_id=id)
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) == 4)


def test_a_sync_finds_a_workflow_that_was_terminated_before_any_worker_had_it(own_heddle, workspace):
    heddle = own_heddle()
    heddle.worker.kill9()
    api = Api(heddle.channel, workspace)
    id = api.start(definition("start > a; a > end")).execution.id
    terminate(heddle, f"heddle/{workspace}/{id}")

    answer = api.call("SyncExecution", execution_id=id)

    assert [repair.kind for repair in answer.repairs] == [2], answer.repairs
    assert (status(answer.execution), answer.execution.error.code) == ("FAILED", "TEMPORAL_TERMINATED")


def test_a_child_that_dies_without_a_word_is_found(own_heddle, workspace):
    heddle = own_heddle(HEDDLE_RECONCILE_SECONDS="1")
    api = Api(heddle.channel, workspace)
    child = api.publish(definition("start > a; a > end"))
    id = api.start(a_batch(child.id), {"items": [{"n": 1}]}).execution.id
    (only,) = await_children(api, id, 1)
    terminate(heddle, f"heddle/{workspace}/{only.id}")

    assert status(api.await_end(id, timeout=30)) == "FAILED"


def test_a_workflow_that_ends_before_its_record_says_that_it_began_is_found(
    own_heddle, start_process, temporal_line, workspace
):
    heddle = own_heddle(HEDDLE_RECONCILE_SECONDS="1")
    version = Api(heddle.channel, workspace).publish(definition("start > a; a > end"))
    deaf = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address, HEDDLE_RECONCILE_SECONDS="1")
    with grpc.insecure_channel(deaf.target) as channel:
        api = Api(channel, workspace)
        api.start(version)  # so that the line is in use
        temporal_line.be("mute")
        id = api.start(version).execution.id
        heddle.server.kill9()
        terminate(heddle, f"heddle/{workspace}/{id}")
        temporal_line.be("open")

        assert status(api.await_end(id, timeout=30)) == "FAILED"
