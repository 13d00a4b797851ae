"""Counting what an execution costs: history events, database commits, calls between Temporal and its clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import psycopg2
from temporalio.client import Client

from bench.definitions import FIVE_TASKS, HUMAN, INLINE
from bench.ground import Ground, publish
from bench.loads import METADATA, WORKSPACE, StartExecution
from bench.proxy import CountingProxy
from heddle.v1.execution_service_pb2 import StartExecutionResponse
from heddle.v1.step_service_pb2 import CompleteStepRequest
from heddle.v1.step_service_pb2_grpc import StepServiceStub
from service.domain.execution import workflow_id

EXECUTIONS = 40
"""Executions of each kind, one after the other."""

IDLE = 2.0
"""Seconds in which it is counted what a Heddle does when nobody calls."""


@dataclass(frozen=True)
class Count:
    """What one execution of a kind costs on average."""

    what: str
    events: float
    commits: float  # of Heddle's database, without those that an idle Heddle makes
    writes: float  # among them, those that changed something
    calls: dict[str, float]  # by name, answered polls included, the most frequent first


def measure(ground: Ground) -> list[Count]:
    """Count on a Heddle whose way to Temporal leads through the proxy, and whose workers are the only ones."""
    with CountingProxy(ground.temporal) as proxy, asyncio.Runner() as loop:
        database = ground.database("counts")
        target = ground.server("server", database, temporal=proxy.address)
        ground.worker("worker", database, temporal=proxy.address)
        ground.tasks(temporal=proxy.address)
        client = loop.run(Client.connect(ground.temporal))
        counting = _Counting(target, proxy, _Commits(database), lambda id: loop.run(_events(client, id)))
        counts = [
            counting.of("5 inline steps", INLINE),
            counting.of("5 tasks", FIVE_TASKS),
            counting.of("a human step completed", HUMAN, lambda id: _complete(target, id)),
        ]
        ground.end("task worker", "worker", "server")
        return counts


class _Counting:
    def __init__(self, target: str, proxy: CountingProxy, commits: _Commits, events: Callable[[str], int]) -> None:
        self._target = target
        self._proxy = proxy
        self._commits = commits
        self._events = events

    def of(self, what: str, definition: dict[str, Any], act: Callable[[str], object] | None = None) -> Count:
        """Count what executions of a definition cost in which a caller acts so."""
        start = StartExecution(self._target, publish(self._target, definition)).connect()
        _run(start, act, self._events)
        idle = self._commits.in_an_idle_second()
        calls, before, began = self._proxy.answered.copy(), self._commits.so_far(), time.monotonic()
        events = [_run(start, act, self._events) for _ in range(EXECUTIONS)]
        seconds, after = time.monotonic() - began, self._commits.so_far()
        return Count(
            what,
            events=sum(events) / EXECUTIONS,
            commits=(after[0] - before[0] - idle * seconds) / EXECUTIONS,
            writes=(after[1] - before[1]) / EXECUTIONS,
            calls={name: number / EXECUTIONS for name, number in (self._proxy.answered - calls).most_common()},
        )


class _Commits:
    """Counts a database's commits. Its sessions tell of theirs when they end, otherwise up to ten seconds later."""

    def __init__(self, database: str) -> None:
        server, _, self._name = database.rpartition("/")
        self._connection = psycopg2.connect(f"{server}/postgres")
        self._connection.autocommit = True

    def so_far(self) -> tuple[int, int]:
        """Give the number of all commits, and of those that wrote, by the transaction ids that were given out.

        This ends the database's sessions; who held them makes new ones. The commit with which a session begins does
        not count.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [self._name]
            )
            cursor.execute(
                "SELECT xact_commit - sessions, pg_snapshot_xmax(pg_current_snapshot())::text::bigint "
                "FROM pg_stat_database WHERE datname = %s",
                [self._name],
            )
            ((commits, writes),) = cursor.fetchall()
            return commits, writes

    def in_an_idle_second(self) -> float:
        """Count the commits that a second brings when nobody calls."""
        before, _ = self.so_far()
        time.sleep(IDLE)
        after, _ = self.so_far()
        return (after - before) / IDLE


def _run(start: Callable[[], bytes], act: Callable[[str], object] | None, events: Callable[[str], int]) -> int:
    """Run one execution to its end; the events of its history."""
    execution = StartExecutionResponse.FromString(start()).execution
    if act is not None:
        act(execution.id)
    # One that has ended with its start never came to Temporal.
    return 0 if execution.HasField("end_time") else events(execution.id)


async def _events(client: Client, execution_id: str) -> int:
    """Wait until the workflow has ended and count its events, on a way that the proxy does not count."""
    handle = client.get_workflow_handle(workflow_id(WORKSPACE, execution_id, 0))
    await handle.result()
    return len((await handle.fetch_history()).events)


def _complete(target: str, execution_id: str) -> None:
    request = CompleteStepRequest(request_id=uuid4().hex, execution_id=execution_id, step_id="confirm")
    with grpc.insecure_channel(target) as channel:
        StepServiceStub(channel).CompleteStep(request, metadata=METADATA)
