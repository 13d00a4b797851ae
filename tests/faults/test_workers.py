"""Workers killed in the middle of executions: nothing is lost, nothing done twice."""

from __future__ import annotations

import random
import time

import pytest

from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition

EXECUTIONS = 30
KILLS = 4
TASKS = (
    "start > task_1; task_1 > task_2; task_2 > ps; ps > task_3, task_4; task_3 > pj; task_4 > pj; "
    "pj > task_5; task_5 > end"
)


@pytest.fixture
def five_tasks(workspace):
    """Five tasks, two of them at once, on the workspace's own queue."""
    task = {"task": "effect", "taskQueue": workspace, "timeout": 5000}
    return definition(TASKS, **{f"task_{number}": task for number in range(1, 6)})


def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(
    own_heddle, start_process, workspace, sink, five_tasks
):
    heddle = own_heddle()
    api = Api(heddle.channel, workspace)
    version = api.publish(five_tasks)
    dice = random.Random(7)
    worker = heddle.worker
    ids = [api.start(version).execution.id for _ in range(EXECUTIONS)]
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.1, 0.5))
        worker.kill9()
        worker = start_process("work", heddle)

    for id in ids:
        execution = api.await_end(id, timeout=60)
        assert status(execution) == "COMPLETED"
        ledger = api.ledger(id)
        assert [entry["number"] for entry in ledger] == list(range(1, len(ledger) + 1))
        completed = [entry["step_id"] for entry in ledger if entry["type"] == "STEP_COMPLETED"]
        assert sorted(completed) == sorted(["start", "ps", "pj", "end", *(f"task_{n}" for n in range(1, 6))])
    assert set(sink.effects) == {f"{id}/task_{number}/1" for id in ids for number in range(1, 6)}


def test_an_execution_continues_as_new_and_goes_on_where_it_was(own_heddle, workspace, sink):
    heddle = own_heddle(HEDDLE_HISTORY_LIMIT="60")
    api = Api(heddle.channel, workspace)
    task = {"task": "effect", "taskQueue": workspace}
    loop = definition("start > task; task > ask; ask > xs; xs > task if __steps__.ask.again, end", task=task)
    id = api.start(loop).execution.id

    for round in range(1, 26):
        api.await_that(id, lambda _: "ask" in api.open(id))
        api.complete(id, "ask", {"again": round < 25}, request_id=f"round-{round}")

    assert status(api.await_end(id)) == "COMPLETED"
    visits = [(step, visit) for step, visit, _ in api.runs(id) if step == "task"]
    assert visits == [("task", visit) for visit in range(1, 26)]
    assert set(sink.effects.values()) == {1}
    assert _runs_in_temporal(heddle, workspace, id) > 1


def _runs_in_temporal(heddle, workspace: str, id: str) -> int:
    """Count the runs that Temporal made of an execution's workflow."""
    import asyncio

    from temporalio.client import Client

    async def count() -> int:
        client = await Client.connect(heddle.settings.temporal_address)
        history = await client.get_workflow_handle(f"heddle/{workspace}/{id}").fetch_history()
        started = history.events[0].workflow_execution_started_event_attributes
        return 2 if started.continued_execution_run_id else 1

    return asyncio.run(count())


def test_while_the_database_is_away_executions_are_delayed_and_never_failed(own_heddle, workspace, sink, five_tasks):
    heddle = own_heddle()
    api = Api(heddle.channel, workspace)
    version = api.publish(five_tasks)
    ids = [api.start(version).execution.id for _ in range(10)]

    _cut_off(heddle.settings.database_url, seconds=4)

    for id in ids:
        assert status(api.await_end(id, timeout=60)) == "COMPLETED"


def _cut_off(url: str, *, seconds: float) -> None:
    """Refuse every connection to a database for a while, and end those that it has."""
    import psycopg2

    base, _, name = url.rpartition("/")
    name = name.partition("?")[0]
    connection = psycopg2.connect(f"{base}/postgres")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    time.sleep(seconds)
    cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    connection.close()
