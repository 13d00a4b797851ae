"""Record the histories that `test_replay.py` replays: `python -m pytest tests/temporal/record_histories.py -k <test>`.

Run a test once for a new kind of history. Never replace a recorded one: it stands for the executions that run somewhere
on the code that recorded it.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client

from service.engine.observations import EventDelivered, StepCompleted
from storage import database, plans
from storage.database import query
from tests.end_to_end.api import Api
from tests.end_to_end.definitions import INCLUSIVE, PARALLEL, REVIEW_LOOP, definition
from tests.end_to_end.task_worker import working
from tests.end_to_end.test_families import children
from tests.endpoint import answer, endpoint
from tests.faults.conftest import scene, sink  # noqa: F401 - fixtures
from tests.faults.test_truth import EVENT, WAIT, call
from tests.faults.test_workers import _cut_off

FOLDER = Path(__file__).parent / "histories"


@pytest.fixture
def own(own_heddle):
    heddle = own_heddle(HEDDLE_HISTORY_LIMIT="60")
    database.connect(heddle.settings.database_url)
    return heddle


def anonymous(text: str) -> str:
    """Leave out on which machine, and where on it, a history was recorded."""
    text = re.sub(r'("stackTrace": )"(?:[^"\\]|\\.)*"', r'\1""', text)
    return re.sub(r'("identity": )"\d+@[^"]*"', r'\1"worker"', text)


def keep(name: str, heddle, workspace: str, execution_id: str, *, retry: int = 0) -> None:
    """Write the history of the last run of an execution, or of a retry of it, beside the plan that it ran."""
    workflow_id = f"heddle/{workspace}/{execution_id}" + (f"/{retry}" if retry else "")

    async def fetch() -> str:
        client = await Client.connect(heddle.settings.temporal_address)
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        return history.to_json()

    ((digest,),) = query("SELECT plan_digest FROM executions WHERE id = %s", (execution_id,))
    document = {
        "workflow_id": workflow_id,
        "plan": json.loads(plans.get(workspace, digest)),
        "history": json.loads(asyncio.run(fetch())),
    }
    path = FOLDER / f"{name}.json"
    assert not path.exists(), f"{path} stands already"
    path.write_text(anonymous(json.dumps(document, indent=1)) + "\n")


def tasks(picture: str, workspace: str, **more):
    ids = [word for word in picture.replace(";", " ").replace(",", " ").split() if word.startswith("task")]
    return definition(picture, **{id: {"task": "effect", "taskQueue": workspace, **more} for id in ids})


def test_record(own, workspace, sink):  # noqa: F811
    api = Api(own.channel, workspace)

    id = api.start(
        tasks("start > task_1; task_1 > ps; ps > task_2, task_3; task_2 > pj; task_3 > pj; pj > end", workspace)
    ).execution.id
    api.await_end(id)
    keep("tasks", own, workspace, id)

    id = api.start(REVIEW_LOOP).execution.id
    for issue in (True, False):
        api.complete(id, "questionnaire")
        api.complete(id, "approve", {"issueFound": issue})
    api.complete(id, "file")
    keep("review_loop", own, workspace, id)

    id = api.start(PARALLEL).execution.id
    for step in "cabd":
        api.complete(id, step)
    keep("parallel", own, workspace, id)

    id = api.start(INCLUSIVE, {"a": True, "b": True}).execution.id
    for step in "bad":
        api.complete(id, step)
    keep("inclusive", own, workspace, id)

    id = api.start(definition("start > timer; timer > a; a > end", timer={"duration": "PT0.05S"})).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_DISABLED")
    api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_RUNNING")
    api.call("CancelExecution", execution_id=id, reason="no more")
    keep("timer_update_cancel", own, workspace, id)

    retry = {"maxAttempts": 2, "initialInterval": 50}
    unknown = definition("start > task; task > end", task={"task": "nobody", "taskQueue": workspace, "retry": retry})
    id = api.start(unknown).execution.id
    api.await_end(id)
    keep("task_retried_and_failed", own, workspace, id)

    id = api.start(
        tasks("start > task; task > ask; ask > xs; xs > task if __steps__.ask.again, end", workspace)
    ).execution.id
    for round in range(1, 9):
        api.await_that(id, lambda _: "ask" in api.open(id))
        api.complete(id, "ask", {"again": round < 8})
    api.await_end(id)
    keep("continued_as_new", own, workspace, id)

    id = api.start(tasks("start > task_1; task_1 > task_2; task_2 > end", workspace)).execution.id
    _cut_off(own.settings.database_url, seconds=6)
    api.await_end(id)
    keep("database_away", own, workspace, id)


def test_record_families(own_heddle, workspace):
    with endpoint(answer({"data": [{"id": "d1"}, {"id": "d2"}, {"id": "d3"}], "text": "x" * 100})) as served:
        own = own_heddle(HEDDLE_HISTORY_LIMIT="60", HEDDLE_DATA_SOURCES=f"CRM={served.url}")
        database.connect(own.settings.database_url)
        api = Api(own.channel, workspace)
        child = api.publish(definition("start > a; a > end", name="Child"))

        def start(picture="start > sub; sub > end", **step):
            ran = {"type": "sys.sub_workflow", "mode": "BATCH", "childWorkflowTemplateVersionId": child.id}
            sub = {**ran, "inputMapping": [], **step}
            return api.start(definition(picture, sub=sub)).execution.id

        single = start(mode="SINGLE")
        finish(api, single, 1)
        keep("child_single", own, workspace, single)

        items = {"iterable": {"type": "EXPRESSION", "expr": {"src": "[1..30]"}}}
        batch = start(concurrency=5, **items)
        finish(api, batch, 30)
        keep("children_batch_continued_as_new", own, workspace, batch)

        data = {"alias": "people", "type": "CRM", "dataSourceID": "list"}
        own_data = {"alias": "person", "type": "CRM", "dataSourceID": "get", "scope": "per-item"}
        iterable = {"type": "DATASOURCE", "key": "people", "select": {"src": "$.data"}}
        fetching = start(dataSources=[data, own_data], iterable=iterable)
        finish(api, fetching, 3)
        keep("data_fetched", own, workspace, fetching)

        retried = start(iterable={"type": "EXPRESSION", "expr": {"src": "[1, 2]"}})
        first, second = children(api, retried, 2)
        api.complete(first.id, "a")
        api.call("CancelExecution", execution_id=second.id)
        api.await_end(retried)
        keep("child_failed", own, workspace, retried)
        api.call("RetryExecution", execution_id=retried)
        finish(api, retried, 1)
        keep("retry", own, workspace, retried, retry=1)

        moved = start("start > sub; sub > b; b > end", iterable={"type": "EXPRESSION", "expr": {"src": "[1, 2]"}})
        children(api, moved, 2)
        for to in ("STATUS_DISABLED", "STATUS_RUNNING", "STATUS_DISABLED", "STATUS_COMPLETED"):
            api.call("UpdateStep", execution_id=moved, step_id="sub", status=to)
        api.complete(moved, "b")
        api.await_end(moved)
        keep("children_disabled_and_passed", own, workspace, moved)


def finish(api: Api, parent_id: str, number: int) -> None:
    """Complete the one step of each child, as they come, until the parent has ended."""
    done: set[str] = set()

    def ended(execution) -> bool:
        for child in api.call("ListExecutions", parent_execution_id=parent_id, page_size=200).executions:
            if child.id not in done and not child.HasField("end_time"):
                done.add(child.id)
                api.complete(child.id, "a")
        return execution.HasField("end_time") and len(done) >= number

    api.await_that(parent_id, ended, timeout=60)


def test_record_events(own, workspace, sink):  # noqa: F811
    api = Api(own.channel, workspace)
    wait = {"type": "event.wait", "pattern": "payment.*", "payloadMapping": {"paid": "payload.amount"}}
    keyed = {**wait, "condition": {"src": "__event__.payload.order = __context__.order"}}

    id = api.start(definition("start > wait; wait > end", wait=keyed), {"order": 1}).execution.id
    publish(api, "payment.received", {"order": 2, "amount": 7})
    publish(api, "payment.received", {"order": 1, "amount": 9})
    api.await_end(id)
    keep("event_taken", own, workspace, id)

    id = api.start(
        definition(
            "start > wait; wait > b; wait > a on TIMEOUT; a > b; b > end",
            wait={**wait, "pattern": "never", "timeout": "PT0.2S"},
        )
    ).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    api.complete(id, "a")
    api.complete(id, "b")
    keep("event_timeout", own, workspace, id)

    id = api.start(
        definition(
            "start > ps; ps > wait, ask; ask > xs; xs > ask if __steps__.ask.again, pj; wait > pj; pj > end",
            wait={**wait, "pattern": "bill.paid"},
        )
    ).execution.id
    for round in range(1, 13):
        api.await_that(id, lambda _: "ask" in api.open(id))
        api.complete(id, "ask", {"again": round < 12})
    publish(api, "bill.paid", {"amount": 3})
    api.await_end(id)
    keep("event_after_continue_as_new", own, workspace, id)

    trigger = {"cancellationTriggers": [{"pattern": "order.cancelled", "reason": "Gone"}]}
    id = api.start(undoable("start > task_1; task_1 > a; a > end", workspace) | trigger).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    publish(api, "order.cancelled", {})
    await_compensated(api, id)
    keep("cancelled_by_event", own, workspace, id)


def test_record_compensation(own, workspace, sink):  # noqa: F811
    api = Api(own.channel, workspace)
    unknown = {"task": "nobody", "taskQueue": workspace, "retry": {"maxAttempts": 1}}
    caught = definition(
        "start > task_1; task_1 > b; task_1 > a on ERROR; a > b; b > end", task_1={**unknown, "timeout": 1000}
    )
    id = api.start(caught).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"])
    api.complete(id, "a")
    api.complete(id, "b")
    keep("error_caught", own, workspace, id)

    id = api.start(
        undoable("start > task_1; task_1 > xs; xs > no if true, end", workspace, no={"type": "fail", "code": "NO"})
        | {"compensateOnFailure": True}
    ).execution.id
    await_compensated(api, id)
    keep("failed_and_compensated", own, workspace, id)

    names = [f"task_{number}" for number in range(1, 51)]
    picture = "; ".join(f"{one} > {other}" for one, other in zip(["start", *names], [*names, "a"], strict=True))
    id = api.start(undoable(f"{picture}; a > end", workspace)).execution.id
    api.await_that(id, lambda _: api.open(id) == ["a"], timeout=60)
    api.call("CancelExecution", execution_id=id, reason="no more")
    await_compensated(api, id)
    keep("compensation_continued_as_new", own, workspace, id)


def undoable(picture: str, workspace: str, **steps):
    """Tasks with compensations."""
    ids = [word for word in picture.replace(";", " ").replace(",", " ").split() if word.startswith("task")]
    task = {"task": "effect", "taskQueue": workspace}
    own = {id: {**task, "compensation": {"id": f"undo_{id}", **task}} for id in ids}
    return definition(picture, **own, **steps)


def publish(api: Api, name: str, payload) -> None:
    api.call("PublishEvent", event_id=f"e-{secrets.token_hex(6)}", name=name, payload_json=json.dumps(payload))


def await_compensated(api: Api, id: str) -> None:
    api.await_that(id, lambda one: one.compensation.status > 1, timeout=60)


def test_record_told_otherwise(scene, start_process, workspace, sink):  # noqa: F811
    """The first attempt of a workflow task wrote something else than the second, which heard a message before."""
    busy = scene.start("start > ps; ps > task, wait; task > a; wait > task_2; a > pj; task_2 > pj; pj > end", wait=WAIT)
    asked = scene.start("start > ps; ps > task, ask; task > a; ask > b; a > pj; b > pj; pj > end")
    scene.die(2)
    scene.signal(busy, EventDelivered("wait", 1, EVENT))
    taken = scene.bring(asked, StepCompleted("ask", output=1, request=call("c1")))
    start_process("work", scene.heddle)
    taken.thread.join()
    for id, steps in ((busy, "a"), (asked, "ab")):
        for step in steps:
            scene.api.complete(id, step)
        scene.api.await_end(id)
    keep("told_otherwise", scene.heddle, workspace, busy)
    keep("told_otherwise_and_asked_again", scene.heddle, workspace, asked)


def test_record_begun_anew(own, workspace, temporal_address):
    """A task is set free again while its worker still works at what was given up."""
    api, runs = Api(own.channel, workspace), []

    @activity.defn(name="deaf")
    async def deaf(task):
        runs.append(task["idempotencyKey"])
        await asyncio.sleep(60 if len(runs) == 1 else 0)

    deaf_task = {"task": "deaf", "taskQueue": workspace}
    with working(temporal_address, workspace, deaf):
        id = api.start(definition("start > task; task > end", task=deaf_task)).execution.id
        api.await_that(id, lambda _: len(runs) == 1)
        for to in ("STATUS_DISABLED", "STATUS_RUNNING"):
            api.call("UpdateStep", execution_id=id, step_id="task", status=to)
        api.await_end(id)
    keep("task_begun_anew", own, workspace, id)
