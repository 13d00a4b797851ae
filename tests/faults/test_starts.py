"""What is started runs exactly once, whatever dies or is away in between."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from storage import database
from storage.database import query
from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import VERIFY, definition

LEASE = 8.0


def one_run(workspace: str) -> int:
    """Count the executions of a workspace."""
    return query("SELECT count(*) FROM executions WHERE workspace = %s", (workspace,))[0][0]


@pytest.mark.parametrize("mode", ["frozen", "mute"])
def test_a_server_killed_between_commit_and_the_word_of_temporal_loses_nothing(
    own_heddle, start_process, temporal_line, workspace, mode
):
    heddle = own_heddle()
    database.connect(heddle.settings.database_url)
    version = Api(heddle.channel, workspace).publish(VERIFY)
    heddle.server.kill9()
    doomed = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address)
    with grpc.insecure_channel(doomed.target) as channel:
        api = Api(channel, workspace)
        api.start(version)  # so that the line is in use
        temporal_line.be(mode)
        call = threading.Thread(target=lambda: _ignoring_errors(lambda: api.start(version, request_id="sr-7")))
        call.start()
        _await(lambda: one_run(workspace) == 2)
        time.sleep(0.3)
        doomed.kill9()
        call.join()
    assert query("SELECT status FROM executions WHERE request_id = 'sr-7'") == [("CREATED",)]

    survivor = start_process("serve", heddle)
    with grpc.insecure_channel(survivor.target) as channel:
        api = Api(channel, workspace)
        again = api.start(version, request_id="sr-7").execution
        execution = api.await_that(again.id, lambda one: status(one) == "STARTED", timeout=LEASE + 10)
        assert status(api.complete(execution.id, "verify", {"verified": True}).execution) == "COMPLETED"
        assert one_run(workspace) == 2
        assert [entry["type"] for entry in api.ledger(execution.id)].count("EXECUTION_STARTED") == 1


def test_while_temporal_is_away_starts_are_accepted_and_run_when_it_is_back(
    own_heddle, start_process, temporal_line, workspace
):
    heddle = own_heddle()
    version = Api(heddle.channel, workspace).publish(VERIFY)
    heddle.server.kill9()
    server = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address)
    temporal_line.be("cut")
    with grpc.insecure_channel(server.target) as channel:
        api = Api(channel, workspace)
        answers = [api.start(version, request_id=f"sr-{number}") for number in range(5)]
        for answer in answers:
            assert status(answer.execution) == "CREATED"
            assert "Temporal" in answer.execution.launch.last_error
            assert answer.execution.launch.attempts == 1
            assert [run.step_id for run in answer.step_runs] == ["start", "verify"]
        with refused("UNAVAILABLE", "TEMPORAL_UNAVAILABLE"):
            api.complete(answers[0].execution.id, "verify", {"verified": True}, timeout=5)

        temporal_line.be("open")
        for answer in answers:
            api.await_that(answer.execution.id, lambda one: status(one) == "STARTED")
            done = api.complete(answer.execution.id, "verify", {"verified": True})
            assert status(done.execution) == "COMPLETED"


def test_an_execution_that_needs_nobody_ends_while_temporal_is_away(
    own_heddle, start_process, temporal_line, workspace
):
    heddle = own_heddle()
    server = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address)
    temporal_line.be("cut")
    with grpc.insecure_channel(server.target) as channel:
        execution = (
            Api(channel, workspace)
            .start(definition("start > ps; ps > pj, xs; xs > pj if true, pj2; pj > pj2; pj2 > end"))
            .execution
        )

    assert status(execution) == "COMPLETED"


def test_what_is_cancelled_before_temporal_has_it_never_runs(own_heddle, start_process, temporal_line, workspace, sink):
    heddle = own_heddle()
    task = {"task": "effect", "taskQueue": workspace}
    version = Api(heddle.channel, workspace).publish(definition("start > task; task > end", task=task))
    heddle.server.kill9()
    server = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address)
    temporal_line.be("cut")
    with grpc.insecure_channel(server.target) as channel:
        api = Api(channel, workspace)
        id = api.start(version).execution.id
        assert (
            status(api.call("CancelExecution", execution_id=id, reason="no more", timeout=5).execution) == "CANCELLED"
        )
        temporal_line.be("open")
        time.sleep(3)

        assert status(api.execution(id)) == "CANCELLED"
        assert not sink.effects
        assert api.ledger(id)[-1]["data"]["reason"] == "no more"


@pytest.mark.parametrize("mode", ["cut", "frozen", "mute"])
def test_what_is_cancelled_while_its_start_is_on_the_way_never_runs(
    own_heddle, start_process, temporal_line, *, workspace, sink, mode
):
    heddle = own_heddle()
    database.connect(heddle.settings.database_url)
    task = {"task": "effect", "taskQueue": workspace}
    version = Api(heddle.channel, workspace).publish(definition("start > task; task > end", task=task))
    heddle.server.kill9()
    server = start_process("serve", heddle, HEDDLE_TEMPORAL_ADDRESS=temporal_line.address)
    with grpc.insecure_channel(server.target) as channel:
        api = Api(channel, workspace)
        api.start(version)  # so that the line is in use
        _await(lambda: sink.effects)
        temporal_line.be(mode)
        starts = [threading.Thread(target=lambda: _ignoring_errors(lambda: api.start(version))) for _ in range(10)]
        for call in starts:
            call.start()
        _await(lambda: one_run(workspace) == 11)
        ids = [
            id for (id,) in query("SELECT id FROM executions WHERE workspace = %s AND status = 'CREATED'", (workspace,))
        ]
        with ThreadPoolExecutor(10) as pool:
            list(
                pool.map(
                    lambda id: _ignoring_errors(lambda: api.call("CancelExecution", execution_id=id, timeout=4)), ids
                )
            )
        cancelled = [id for id in ids if status(api.execution(id)) == "CANCELLED"]
        seen = Counter(sink.effects)
        temporal_line.be("open" if mode == "cut" else "thawed")
        for call in starts:
            call.join()
        time.sleep(3)

        assert cancelled
        assert not [id for id in cancelled if f"{id}/task/1" in sink.effects - seen]


def _ignoring_errors(call) -> None:
    with contextlib.suppress(grpc.RpcError):
        call()


def _await(holds, *, timeout: float = 10) -> None:
    limit = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)
