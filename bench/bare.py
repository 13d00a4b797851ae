"""What Heddle is measured against: the least code that does the same, on the same servers.

Run as `python -m bench.bare workflows|tasks|echo` with addresses and sizes as arguments.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import grpc
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.definitions import INPUT, TASK, TASK_QUEUE
from heddle.v1 import execution_service_pb2 as pb
from heddle.v1.execution_pb2 import Execution
from service.rpc.server import THREADS
from service.temporal.worker import WRITERS

QUEUE = "bench-bare"
"""Where the bare workflows are worked on."""


@workflow.defn(name="bench.waiting")
class Waiting:
    """Waits, as a human step does."""

    @workflow.run
    async def run(self, _input: dict[str, Any]) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn(name="bench.signalled")
class Signalled:
    """Waits for a signal, and ends with what it says."""

    def __init__(self) -> None:
        self._payment: dict[str, Any] | None = None

    @workflow.run
    async def run(self, _input: dict[str, Any]) -> dict[str, Any] | None:
        await workflow.wait_condition(lambda: self._payment is not None)
        return self._payment

    @workflow.signal
    def payment(self, payment: dict[str, Any]) -> None:
        """Take it in."""
        self._payment = payment


@workflow.defn(name="bench.empty")
class Empty:
    """Has nothing to do."""

    @workflow.run
    async def run(self, _input: dict[str, Any]) -> None:
        pass


@workflow.defn(name="bench.interpreter")
class Interpreter:
    """Runs the steps of a definition in the form {step: {task, next}}, keeping nothing but Temporal's own history."""

    @workflow.run
    async def run(self, steps: dict[str, dict[str, Any]]) -> Any:
        step, result = "start", None
        while step != "end":
            result = await workflow.execute_activity(
                steps[step]["task"],
                {"input": {"company": INPUT["company"]}, "step": {"id": step}},
                task_queue=TASK_QUEUE,
                start_to_close_timeout=timedelta(seconds=300),
            )
            step = steps[step]["next"]
        return result


@workflow.defn(name="bench.batch")
class Batch:
    """Runs a child workflow for each of a number of items, so many at a time, and collects what they give."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> list[Any]:
        turns = asyncio.Semaphore(order["atOnce"])

        async def child(item: int) -> Any:
            async with turns:
                name = f"{workflow.info().workflow_id}/{item}"
                return await workflow.execute_child_workflow("bench.interpreter", order["steps"], id=name)

        return list(await asyncio.gather(*(child(item) for item in range(order["items"]))))


def steps(number: int) -> dict[str, dict[str, Any]]:
    """The interpreter's definition of so many tasks in a row."""
    names = ["start", *(f"task{position}" for position in range(2, number + 1)), "end"]
    return {name: {"task": TASK, "next": following} for name, following in itertools.pairwise(names)}


@activity.defn(name=TASK)
async def work(_task: dict[str, Any]) -> dict[str, Any]:
    """The task of every step, Heddle's and the interpreter's."""
    return {"done": True}


async def _work(temporal: str, **parts: Any) -> None:
    client = await Client.connect(temporal)
    async with Worker(client, **parts):
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await stopping.wait()


def _workflows(temporal: str) -> None:
    # The settings of Heddle's own worker, `service/temporal/worker.py`.
    parts = {
        "task_queue": QUEUE,
        "workflows": [Waiting, Signalled, Empty, Interpreter, Batch],
        "workflow_runner": UnsandboxedWorkflowRunner(),
        "max_concurrent_workflow_tasks": 200,
        "max_concurrent_local_activities": WRITERS,
        "max_concurrent_activities": WRITERS,
    }
    asyncio.run(_work(temporal, **parts))


def _tasks(temporal: str) -> None:
    asyncio.run(_work(temporal, task_queue=TASK_QUEUE, activities=[work]))


def _echo(listen: str, size: str) -> None:
    """Answer GetExecution with the id that was asked for and so many characters more."""
    padding = "x" * int(size)

    def echo(request: pb.GetExecutionRequest, _context: grpc.ServicerContext) -> pb.GetExecutionResponse:
        return pb.GetExecutionResponse(execution=Execution(id=request.execution_id, input_json=padding))

    handler = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=pb.GetExecutionRequest.FromString,
        response_serializer=pb.GetExecutionResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(THREADS))
    # As the generated code does it.
    server.add_registered_method_handlers("heddle.v1.ExecutionService", {"GetExecution": handler})
    server.add_insecure_port(listen)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    server.start()
    stopping.wait()
    server.stop(None).wait()


MODES: dict[str, Callable[..., None]] = {"workflows": _workflows, "tasks": _tasks, "echo": _echo}

if __name__ == "__main__":
    MODES[sys.argv[1]](*sys.argv[2:])
