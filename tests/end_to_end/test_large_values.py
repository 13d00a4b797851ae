"""Values as large as they may be, many at a time: a message of Temporal's holds less than an execution does."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from service.plans import Plans
from service.temporal import workflow
from service.temporal.converting import CONVERTER
from storage import database, plans, state_parts
from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition
from tests.end_to_end.task_worker import working

MOST = 256 * 1024
BRANCHES = 10


@activity.defn(name="measure")
async def measure(task):
    return len(task["input"]["text"].encode())


@activity.defn(name="write")
async def write(task):
    return task["input"]["char"] * task["input"]["times"]


@pytest.fixture
def api(heddle, workspace):
    return Api(heddle.channel, workspace)


@pytest.fixture
def own(own_heddle):
    """One whose executions go on with a new history after 30 events."""
    heddle = own_heddle(HEDDLE_HISTORY_LIMIT="30")
    database.connect(heddle.settings.database_url)
    return heddle


def text(size=MOST, char="x"):
    return char * (size // len(char.encode()))


def start(api, picture, input, **steps):
    version = api.publish(definition(picture, **steps))
    # As callers of other languages write JSON: a character that is not ASCII has two bytes or more, and no escape.
    return api.call("StartExecution", version_id=version.id, input_json=json.dumps(input, ensure_ascii=False)).execution


def branches(queue, begin="start", also="", number=BRANCHES, **step):
    """So many tasks side by side, each with the input of the execution."""
    ids = [f"task_{number}" for number in range(number)]
    picture = f"{begin} > ps; ps > {', '.join(ids)}; {'; '.join(f'{id} > pj' for id in ids)}; {also} pj > end"
    return picture, {id: {"task": "measure", "taskQueue": queue, **step} for id in ids}


def outputs(api, id):
    done = [entry for entry in api.ledger(id) if entry["type"] == "STEP_COMPLETED" and entry["step_id"][:4] == "task"]
    return {entry["step_id"]: entry["data"]["output"] for entry in done}


@pytest.mark.parametrize("char", ["x", "é"])
def test_tasks_side_by_side_get_the_largest_input_each(api, temporal_address, workspace, char):
    picture, tasks = branches(workspace)
    large = text(MOST - 20, char)

    with working(temporal_address, workspace, measure):
        execution = api.await_end(start(api, picture, {"text": large}, **tasks).id)

    assert status(execution) == "COMPLETED"
    assert set(outputs(api, execution.id).values()) == {len(large.encode())}
    assert len(outputs(api, execution.id)) == BRANCHES


def test_completing_a_step_may_lead_to_more_than_an_answer_of_temporal_holds(api, temporal_address, workspace):
    picture, tasks = branches(workspace, begin="start > a; a")
    execution = start(api, picture, {"text": text(MOST - 20)}, **tasks)

    api.complete(execution.id, "a", {})

    started = {entry["step_id"] for entry in api.ledger(execution.id) if entry["type"] == "STEP_STARTED"}
    assert started >= set(tasks)  # before the answer, though nobody serves the tasks yet
    with working(temporal_address, workspace, measure):
        assert status(api.await_end(execution.id)) == "COMPLETED"


def test_steps_completed_at_once_with_large_outputs_are_all_taken(api):
    ids = [f"h{number}" for number in range(8)]
    picture = f"start > ps; ps > {', '.join(ids)}; {'; '.join(f'{id} > pj' for id in ids)}; pj > end"
    execution = start(api, picture, {})

    with ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(lambda id: api.complete(execution.id, id, text(125_000)), ids))

    assert status(api.execution(execution.id)) == "COMPLETED"


def test_a_state_that_is_too_large_to_travel_goes_on_with_a_new_history(own, workspace, temporal_address):
    api = Api(own.channel, workspace)
    ids = [f"task_{number}" for number in range(12)]
    step = {"task": "write", "taskQueue": workspace, "input": {"char": 'é"\\', "times": 13_000}}
    chain = ["start", *ids, "a", "end"]
    picture = "; ".join(f"{one} > {next}" for one, next in pairwise(chain))

    with working(temporal_address, workspace, write):
        execution = start(api, picture, {}, **dict.fromkeys(ids, step))
        api.await_that(execution.id, lambda _: "a" in api.open(execution.id))
        api.complete(execution.id, "a")

    assert status(api.execution(execution.id)) == "COMPLETED"
    assert set(outputs(api, execution.id).values()) == {'é"\\' * 13_000}
    assert database.query("SELECT count(*) > 0 FROM state_parts WHERE execution_id = %s", (execution.id,)) == [(True,)]
    replay(own, workspace, execution.id)
    api.call("DeleteExecution", execution_id=execution.id)
    assert database.query("SELECT count(*) FROM state_parts") == [(0,)]

    picture, tasks = branches(workspace, number=6)
    with working(temporal_address, workspace, measure):
        execution = api.await_end(start(api, picture, {"text": text(MOST - 20)}, **tasks).id)

    assert status(execution) == "COMPLETED"
    replay(own, workspace, execution.id)


def replay(heddle, workspace, execution_id):
    """Play the last run again, as a worker that takes it over does."""

    def plan(workspace, digest):
        with database.connection():
            return plans.get(workspace, digest)

    async def go():
        client = await Client.connect(heddle.settings.temporal_address, data_converter=CONVERTER)
        history = await client.get_workflow_handle(f"heddle/{workspace}/{execution_id}").fetch_history()
        replayer = Replayer(
            workflows=[workflow.ExecutionWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            data_converter=CONVERTER,
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workflow, "plans", Plans(plan))
            patch.setattr(workflow, "join_parts", state_parts.join)
            await replayer.replay_workflow(history)

    asyncio.run(go())


def test_a_retry_begins_many_tasks_with_large_inputs_again(api, workspace, temporal_address):
    picture, tasks = branches(workspace, also="bad > pj;")
    bad = {"type": "task", "task": "measure", "taskQueue": workspace, "retry": {"maxAttempts": 1}}

    @activity.defn(name="measure")
    async def fail(task):
        if task["step"]["id"] != "bad":
            await asyncio.sleep(60)
        raise ValueError("bad for once")

    with working(temporal_address, workspace, fail):
        execution = start(api, picture.replace("ps > ", "ps > bad, "), {"text": text(MOST - 20)}, **tasks, bad=bad)
        assert status(api.await_end(execution.id)) == "FAILED"
    with working(temporal_address, workspace, measure):
        api.call("RetryExecution", execution_id=execution.id)
        assert status(api.await_end(execution.id)) == "COMPLETED"

    assert len(outputs(api, execution.id)) == BRANCHES


def test_more_than_open_steps_may_hold_fails_the_execution_and_says_so(api, workspace):
    picture, tasks = branches(workspace, number=34)

    execution = start(api, picture, {"text": text(MOST - 20)}, **tasks)

    assert (status(execution), execution.error.code) == ("FAILED", "INPUT_TOO_LARGE")
    assert "the steps that are open" in execution.error.message
    assert str(8 * 1024 * 1024) in execution.error.message
