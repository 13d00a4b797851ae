"""What operators may do in Temporal behind Heddle's back, and what stops a second writer."""

from __future__ import annotations

import asyncio
import time

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from storage import database
from storage.database import query
from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import VERIFY, definition


def in_temporal(heddle, workspace, execution_id, act):
    """Do something with an execution's workflow through Temporal's own client."""

    async def run():
        client = await Client.connect(heddle.settings.temporal_address)
        return await act(client.get_workflow_handle(f"heddle/{workspace}/{execution_id}"))

    return asyncio.run(run())


def temporal_status(heddle, workspace, execution_id):
    return in_temporal(heddle, workspace, execution_id, lambda handle: handle.describe()).status


def await_status(heddle, workspace, execution_id, wanted):
    limit = time.monotonic() + 20
    while temporal_status(heddle, workspace, execution_id) != wanted:
        assert time.monotonic() < limit, temporal_status(heddle, workspace, execution_id)
        time.sleep(0.05)


def test_cancelling_the_workflow_in_temporal_cancels_the_execution(heddle, workspace):
    api = Api(heddle.channel, workspace)
    id = api.start(VERIFY).execution.id

    in_temporal(heddle, workspace, id, lambda handle: handle.cancel())

    assert status(api.await_end(id)) == "CANCELLED"
    assert api.ledger(id)[-1]["data"]["reason"] == "cancelled in Temporal"
    await_status(heddle, workspace, id, WorkflowExecutionStatus.COMPLETED)


def test_the_workflow_of_a_failed_execution_is_failed_in_temporal_too(heddle, workspace):
    api = Api(heddle.channel, workspace)
    id = api.start(definition("start > a; a > xs; xs > b if $error('boom'), c; b > e; c > e; e > end")).execution.id

    execution = api.complete(id, "a").execution

    assert status(execution) == "FAILED"
    assert (execution.error.step_id, execution.error.code) == ("xs", "EXPRESSION_FAILED")
    await_status(heddle, workspace, id, WorkflowExecutionStatus.FAILED)


def test_completing_a_step_of_a_terminated_workflow_says_that_temporal_does_not_run_it(heddle, workspace):
    api = Api(heddle.channel, workspace)
    id = api.start(VERIFY).execution.id
    in_temporal(heddle, workspace, id, lambda handle: handle.terminate())

    with refused("UNAVAILABLE", "TEMPORAL_UNAVAILABLE") as refusals:
        api.complete(id, "verify", {"verified": True})

    assert "Temporal does not run it" in refusals[0].message


@pytest.mark.parametrize("ending", ["CANCELLED", "FAILED"])
def test_a_workflow_whose_execution_was_ended_by_another_writer_ends_itself(own_heddle, workspace, ending):
    heddle = own_heddle()
    database.connect(heddle.settings.database_url)
    api = Api(heddle.channel, workspace)
    id = api.start(definition("start > timer; timer > a; a > end", timer={"duration": "PT1.5S"})).execution.id
    query(
        "UPDATE executions SET status = %s, phase = 'NONE', last_number = last_number + 1 WHERE id = %s", (ending, id)
    )

    await_status(heddle, workspace, id, WorkflowExecutionStatus.FAILED)

    assert status(api.execution(id)) == ending
    assert [entry["type"] for entry in api.ledger(id)].count("STEP_COMPLETED") == 1
