"""Events: executions that one finishes, beside bare workflows that a signal finishes; and what matching them costs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle

from bench import waiting
from bench.bare import QUEUE
from bench.calling import Caller
from bench.definitions import ONE_WAIT
from bench.loads import METADATA, WORKSPACE
from bench.measuring import Burst, Comparison
from bench.stage import Stage
from heddle.v1 import event_service_pb2, execution_service_pb2
from service.domain.execution import workflow_id

MANY = 200
"""Executions that events finish in a round."""

CALLERS = 8
ROUNDS = 3

GOAL_RATE = 0.8
GOAL_MATCHING = 1.2
FEW, LOTS = 1_000, 100_000

Finish = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Round:
    """What waits, and how to finish it."""

    handles: Sequence[WorkflowHandle[object, object]]
    finish: Callable[[int], Awaitable[None]]  # the one of this number


def measure(stage: Stage) -> list[Comparison]:
    """Finish what waits, in turns; then publish events for nobody among few waits and among many."""
    with asyncio.Runner() as loop:
        client = loop.run(Client.connect(stage.ground.temporal))
        finishing = loop.run(_finishing(stage, client))
    return [finishing, _matching(stage)]


async def _finishing(stage: Stage, client: Client) -> Comparison:
    version = stage.publish(ONE_WAIT)
    bursts: dict[str, list[Burst]] = {"heddle": [], "bare": []}
    with ThreadPoolExecutor(CALLERS) as threads:
        rounds: dict[str, Callable[[], Awaitable[Round]]] = {
            "heddle": lambda: _waiting_executions(stage, client, version, threads),
            "bare": lambda: _waiting_workflows(client),
        }
        for number in range(ROUNDS + 1):
            for name in rounds if number % 2 == 0 else reversed(rounds):
                burst = await _run(stage, await rounds[name]())
                if number:  # the first one warms up
                    bursts[name].append(burst)
    return Comparison(
        "events that finish executions", CALLERS, "rate", bursts["heddle"], bursts["bare"], goal=GOAL_RATE
    )


async def _waiting_executions(stage: Stage, client: Client, version: str, threads: ThreadPoolExecutor) -> Round:
    starters = [_caller(stage, "ExecutionService/StartExecution") for _ in range(CALLERS)]
    publishers = [_caller(stage, "EventService/PublishEvent") for _ in range(CALLERS)]
    orders = [uuid4().hex for _ in range(MANY)]

    def start(number: int) -> str:
        request = execution_service_pb2.StartExecutionRequest(
            request_id=orders[number], version_id=version, input_json=json.dumps({"orderId": orders[number]})
        )
        answer = starters[number % CALLERS].call(request.SerializeToString())
        return execution_service_pb2.StartExecutionResponse.FromString(answer).execution.id

    def publish(number: int) -> None:
        request = event_service_pb2.PublishEventRequest(
            request_id=uuid4().hex,
            event_id=uuid4().hex,
            name="payment.received",
            payload_json=json.dumps({"orderId": orders[number], "amount": 99.99}),
        )
        publishers[number % CALLERS].call(request.SerializeToString())

    loop = asyncio.get_running_loop()
    ids = await asyncio.gather(*(loop.run_in_executor(threads, start, number) for number in range(MANY)))
    return Round(
        [client.get_workflow_handle(workflow_id(WORKSPACE, id, 0)) for id in ids],
        lambda number: loop.run_in_executor(threads, publish, number),
    )


async def _waiting_workflows(client: Client) -> Round:
    turns = asyncio.Semaphore(CALLERS)

    async def start() -> WorkflowHandle[object, object]:
        async with turns:
            return await client.start_workflow("bench.signalled", {}, id=uuid4().hex, task_queue=QUEUE)

    handles = await asyncio.gather(*(start() for _ in range(MANY)))

    async def signal(number: int) -> None:
        async with turns:
            await handles[number].signal("payment", {"orderId": number, "amount": 99.99})

    return Round(handles, signal)


async def _run(stage: Stage, round: Round) -> Burst:
    """Finish everything, and count until all of it has ended."""
    stage.await_rest()
    before = stage.cpu()
    began = time.monotonic()
    taken: list[float] = []

    async def finish(number: int) -> None:
        await round.finish(number)
        await round.handles[number].result()
        taken.append(time.monotonic() - began)

    await asyncio.gather(*(finish(number) for number in range(MANY)))
    seconds = time.monotonic() - began
    stage.await_rest()
    after = stage.cpu()
    cpu = {part: (after[part] - before[part]) / MANY * 1000 for part in before}
    return Burst(MANY / seconds, median(taken) * 1000, cpu)


def _matching(stage: Stage) -> Comparison:
    """Publish events that nobody waits for, where few and where many wait for the like."""
    found: dict[int, list[Burst]] = {FEW: [], LOTS: []}
    callers = {}
    for many in found:
        workspace = f"waiting-{many}"
        waiting.fill(stage.database, workspace, many, "payment.received", "payload.orderId")
        callers[many] = Caller(stage.target, "/heddle.v1.EventService/PublishEvent", (("heddle-workspace", workspace),))
    for number in range(ROUNDS + 1):
        for many in found if number % 2 == 0 else reversed(found):
            burst = _publish_for_nobody(callers[many])
            if number:
                found[many].append(burst)
    return Comparison(
        f"matching among {LOTS:,} waits, beside {FEW:,}", 1, "p50", found[LOTS], found[FEW], goal=GOAL_MATCHING
    )


def _publish_for_nobody(caller: Caller, many: int = 200) -> Burst:
    taken = []
    for _ in range(many):
        request = event_service_pb2.PublishEventRequest(
            request_id=uuid4().hex,
            event_id=uuid4().hex,
            name="payment.received",
            payload_json=json.dumps({"orderId": uuid4().hex, "amount": 99.99}),
        )
        began = time.perf_counter()
        caller.call(request.SerializeToString())
        taken.append(time.perf_counter() - began)
    return Burst(many / sum(taken), median(taken) * 1000, {})


def _caller(stage: Stage, method: str) -> Caller:
    return Caller(stage.target, f"/heddle.v1.{method}", METADATA)
