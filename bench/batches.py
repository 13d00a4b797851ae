"""Batches: a sub-workflow step with a thousand children beside a bare parent with a thousand bare child workflows.

Each child runs two tasks, one after the other, which the same worker serves for both; as many children run at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg2
from temporalio.client import Client, WorkflowFailureError

from bench import machine
from bench.bare import QUEUE, steps
from bench.calling import Caller
from bench.definitions import AT_ONCE, INPUT, TWO_TASKS, batch
from bench.loads import METADATA, WORKSPACE
from bench.measuring import Burst, Comparison
from bench.stage import Stage
from heddle.v1 import execution_service_pb2 as pb
from service.domain.execution import workflow_id
from service.embedded.problem import Problem

CHILDREN = 1_000
WARM_UP = 100
ROUNDS = 2

WORKERS = {"heddle": "worker", "bare": "bare worker"}
"""The process whose memory is looked at."""

Start = Callable[[int], Awaitable[str]]
"""Starts a batch of so many children; gives the id of the parent's workflow."""


@dataclass(frozen=True)
class BatchRun:
    """What one batch took, and what it left behind."""

    burst: Burst  # a call is a child; p50 is the time of the whole batch
    runs: list[int]  # the parent's history events, run by run of its workflow
    memory_before: float  # MiB of the worker
    memory_peak: float
    writes: float  # transactions for each child in which Heddle's database changed


@dataclass(frozen=True)
class Batches:
    """The batches of each, in the order of the rounds."""

    heddle: list[BatchRun]
    bare: list[BatchRun]

    @property
    def comparison(self) -> Comparison:
        """Children a second."""
        heddle, bare = ([run.burst for run in runs] for runs in (self.heddle, self.bare))
        return Comparison(f"batch of {CHILDREN:,} children, 2 tasks", 1, "rate", heddle, bare)


def measure(stage: Stage) -> Batches:
    """Run batches in turns; every second round goes the other way."""
    with asyncio.Runner() as loop:
        client = loop.run(Client.connect(stage.ground.temporal))
        starts: dict[str, Start] = {"heddle": _heddle(stage), "bare": _bare(client)}
        for name, start in starts.items():
            loop.run(_run(stage, client, start, WORKERS[name], WARM_UP))
        found: dict[str, list[BatchRun]] = {name: [] for name in starts}
        for round in range(ROUNDS):
            for name, start in starts.items() if round % 2 == 0 else reversed(starts.items()):
                found[name].append(loop.run(_run(stage, client, start, WORKERS[name], CHILDREN)))
    return Batches(**found)


def _heddle(stage: Stage) -> Start:
    version = stage.publish(batch(stage.publish(TWO_TASKS)))
    caller = Caller(stage.target, "/heddle.v1.ExecutionService/StartExecution", METADATA)

    async def start(children: int) -> str:
        input = json.dumps(INPUT | {"items": list(range(children))})
        request = pb.StartExecutionRequest(request_id=uuid4().hex, version_id=version, input_json=input)
        answer = pb.StartExecutionResponse.FromString(caller.call(request.SerializeToString()))
        return workflow_id(WORKSPACE, answer.execution.id, 0)

    return start


def _bare(client: Client) -> Start:
    async def start(children: int) -> str:
        order = {"items": children, "atOnce": AT_ONCE, "steps": steps(2)}
        return (await client.start_workflow("bench.batch", order, id=uuid4().hex, task_queue=QUEUE)).id

    return start


async def _run(stage: Stage, client: Client, start: Start, worker: str, children: int) -> BatchRun:
    """Run a batch from its start to the end of the parent's workflow."""
    stage.await_rest()
    pid = stage.ground.processes[worker].pid
    machine.forget_peak(pid)
    memory, cpu = machine.memory(pid)[0], stage.cpu()
    with _counting_writes(stage.database) as writes:
        began = time.monotonic()
        id = await start(children)
        await _await_end(client, id)
        seconds = time.monotonic() - began
    stage.await_rest()
    after = stage.cpu()
    return BatchRun(
        Burst(children / seconds, seconds * 1000, {part: (after[part] - cpu[part]) / children * 1000 for part in cpu}),
        runs=await _history(client, id),
        memory_before=memory,
        memory_peak=machine.memory(pid)[1],
        writes=writes[0] / children,
    )


async def _await_end(client: Client, id: str) -> None:
    try:
        await client.get_workflow_handle(id).result()
    except WorkflowFailureError as error:
        raise Problem(f"the batch {id} failed: {error.cause}") from error


async def _history(client: Client, id: str) -> list[int]:
    """Count the events of a workflow, run by run from the first to the last."""
    found: list[int] = []
    run_id: str | None = None
    while run_id != "":
        events = (await client.get_workflow_handle(id, run_id=run_id).fetch_history()).events
        found.append(len(events))
        run_id = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found[::-1]


@contextmanager
def _counting_writes(database: str) -> Iterator[list[int]]:
    """Count, by the ids that were given out, the transactions in which the database changed meanwhile."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    cursor = connection.cursor()

    def so_far() -> int:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        ((number,),) = cursor.fetchall()
        return int(number)

    before = so_far()
    counted: list[int] = []
    try:
        yield counted
        counted.append(so_far() - before)
    finally:
        connection.close()
