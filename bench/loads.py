"""What callers do again and again while it is measured, each load in a process of its own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol
from uuid import uuid4

import psycopg2
from temporalio.client import Client

from bench.calling import Caller
from bench.definitions import INPUT
from heddle.v1 import execution_service_pb2 as pb
from service.domain.execution import workflow_id

WORKSPACE = "bench"
INPUT_JSON = json.dumps(INPUT)
METADATA = (("heddle-workspace", WORKSPACE),)


@dataclass(frozen=True)
class Timed:
    """What some callers did in some seconds, each call with the seconds it took."""

    calls: list[float]
    seconds: float


class Driver(Protocol):
    """Lets callers run side by side, each one call after the other."""

    def run(self, callers: int, seconds: float) -> Timed:
        """Call for so many seconds."""


class Load(Protocol):
    """One kind of call; it travels to the process that makes it."""

    def driver(self) -> Driver:
        """Get ready to make calls, in the process that makes them."""


class InThreads:
    """Drives callers that block, each in a thread with a connection of its own that it keeps."""

    def __init__(self, connect: Callable[[], Callable[[], object]]) -> None:
        self._connect = connect
        self._calls: list[Callable[[], object]] = []

    def run(self, callers: int, seconds: float) -> Timed:
        while len(self._calls) < callers:
            self._calls.append(self._connect())
        with ThreadPoolExecutor(callers) as threads:
            began = time.perf_counter()
            taken = list(threads.map(lambda call: _repeat(call, began + seconds), self._calls[:callers]))
            return Timed([each for times in taken for each in times], time.perf_counter() - began)


class InTasks:
    """Drives callers that wait in one event loop, as users of Temporal's client do."""

    def __init__(self, prepare: Callable[[], Awaitable[Callable[[], Awaitable[object]]]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._call = self._loop.run_until_complete(_awaited(prepare()))

    def run(self, callers: int, seconds: float) -> Timed:
        return self._loop.run_until_complete(self._run(callers, seconds))

    async def _run(self, callers: int, seconds: float) -> Timed:
        began = time.perf_counter()
        taken: list[float] = []

        async def repeat() -> None:
            while (before := time.perf_counter()) < began + seconds:
                await self._call()
                taken.append(time.perf_counter() - before)

        await asyncio.gather(*(repeat() for _ in range(callers)))
        return Timed(taken, time.perf_counter() - began)


@dataclass(frozen=True)
class StartExecution:
    """Starts executions of one version at a Heddle server."""

    target: str
    version_id: str
    wait_for: Any = pb.StartExecutionRequest.WAIT_FOR_NOTHING
    input_json: str = INPUT_JSON

    def driver(self) -> Driver:
        return InThreads(self.connect)

    def connect(self) -> Callable[[], bytes]:
        """Give a caller with a connection of its own."""
        caller = Caller(self.target, "/heddle.v1.ExecutionService/StartExecution", METADATA)
        return lambda: caller.call(self._request().SerializeToString())

    def _request(self) -> pb.StartExecutionRequest:
        return pb.StartExecutionRequest(
            request_id=uuid4().hex, version_id=self.version_id, input_json=self.input_json, wait_for=self.wait_for
        )


@dataclass(frozen=True)
class GetExecution:
    """Reads executions, one after the other, from whatever answers that rpc."""

    target: str
    ids: list[str]

    def driver(self) -> Driver:
        return InThreads(self._connect)

    def _connect(self) -> Callable[[], bytes]:
        caller = Caller(self.target, "/heddle.v1.ExecutionService/GetExecution", METADATA)
        requests = [pb.GetExecutionRequest(execution_id=id).SerializeToString() for id in self.ids]
        turn = 0

        def get() -> bytes:
            nonlocal turn
            turn += 1
            return caller.call(requests[turn % len(requests)])

        return get


@dataclass(frozen=True)
class RunExecution:
    """Starts executions at a Heddle server and waits in Temporal until their workflows have ended.

    Waiting as the bare workflow's callers do makes the two comparable; when a workflow ends, its row has ended before.
    """

    start: StartExecution
    temporal: str

    def driver(self) -> Driver:
        return InTasks(self._prepare)

    async def _prepare(self) -> Callable[[], Awaitable[object]]:
        client = await Client.connect(self.temporal)
        idle: list[Callable[[], bytes]] = []

        async def run() -> None:
            start = idle.pop() if idle else self.start.connect()
            answer = pb.StartExecutionResponse.FromString(await asyncio.to_thread(start))
            idle.append(start)
            await client.get_workflow_handle(workflow_id(WORKSPACE, answer.execution.id, 0)).result()

        return run


@dataclass(frozen=True)
class BareWorkflow:
    """Starts a workflow with Temporal's client, and waits for its end where told to."""

    temporal: str
    queue: str
    workflow: str
    input: dict[str, Any] = field(default_factory=lambda: INPUT)
    wait: bool = False

    def driver(self) -> Driver:
        return InTasks(self._prepare)

    async def _prepare(self) -> Callable[[], Awaitable[object]]:
        client = await Client.connect(self.temporal)

        async def run() -> None:
            handle = await client.start_workflow(self.workflow, self.input, id=uuid4().hex, task_queue=self.queue)
            if self.wait:
                await handle.result()

        return run


@dataclass(frozen=True)
class Insert:
    """Inserts a small row into a table with a primary key, and commits."""

    url: str

    def driver(self) -> Driver:
        return InThreads(self._connect)

    def _connect(self) -> Callable[[], None]:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        cursor = connection.cursor()
        return lambda: cursor.execute("INSERT INTO small VALUES (%s, %s)", (uuid4().hex, INPUT_JSON))


class LoadProcess:
    """A process that makes one load's calls when it is told to."""

    def __init__(self, load: Load) -> None:
        # A fresh interpreter: neither gRPC nor Temporal's client survives a fork.
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_obey, args=(far_end, load), daemon=True)
        self._process.start()
        far_end.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid or 0

    def run(self, callers: int, seconds: float) -> Timed:
        """Make calls; raises what went wrong with one."""
        self._pipe.send((callers, seconds))
        answer: Timed | Exception = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


def _obey(pipe: Connection, load: Load) -> None:
    # Ctrl-C is for the one who gives the orders; it ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    driver: Driver | None = None
    with suppress(EOFError, BrokenPipeError):  # the one who gives the orders has left
        while True:
            callers, seconds = pipe.recv()
            try:
                driver = driver or load.driver()
                answer: Timed | Exception = driver.run(callers, seconds)
            except Exception as error:
                answer = RuntimeError(f"{type(load).__name__}: {type(error).__name__}: {error}")
            pipe.send(answer)


def _end_with_the_starter() -> None:
    """End this process even in the middle of a call that will never be answered."""
    if starter := multiprocessing.parent_process():
        starter.join()
    os._exit(1)


def _repeat(call: Callable[[], object], until: float) -> list[float]:
    taken = []
    while (before := time.perf_counter()) < until:
        call()
        taken.append(time.perf_counter() - before)
    return taken


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work
