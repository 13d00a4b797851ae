"""A private Temporal: its development server, set up so that it does not crawl."""

import signal
from dataclasses import dataclass
from pathlib import Path

from service.embedded import health
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program
from service.embedded.waiting import Waiter

# Out of the box every task waits for a slot of 50 ms, because the one shard of this server may only look 20 times a
# second, and now and then for 2 s, because a task queue has four partitions that few pollers look at. This makes it ten
# times quicker.
_DYNAMIC = {
    "history.transferProcessorMaxPollRPS": 5000,
    "history.transferProcessorMaxPollHostRPS": 5000,
    "history.timerProcessorMaxPollRPS": 5000,
    "history.timerProcessorMaxPollHostRPS": 5000,
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}
# A crash of the process loses nothing this way; a power cut may lose the last moments.
_PRAGMAS = {"journal_mode": "wal", "synchronous": "normal"}


@dataclass(frozen=True)
class DevServer:
    """What it takes to run one server."""

    program: Path
    port: int
    namespace: str
    database: Path | None  # None: it keeps everything in memory
    log: Path

    name = "Temporal"

    @property
    def address(self) -> str:
        """Where its clients and workers reach it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Process:
        """Start the server; it is not ready yet."""
        command = [
            str(self.program),
            "server",
            "start-dev",
            "--headless",
            "--ip",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        command += ["--log-level", "warn", "--namespace", self.namespace]
        for key, value in _DYNAMIC.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        if self.database:
            command += ["--db-filename", str(self.database)]
            for key, pragma in _PRAGMAS.items():
                command += ["--sqlite-pragma", f"{key}={pragma}"]
        # It takes a second to end in order, for which there is no reason when all it knows is lost anyway.
        end_signal = signal.SIGTERM if self.database else signal.SIGKILL
        return Process(Program(self.name, tuple(command), self.log, end_signal=end_signal))

    def await_ready(self, process: Process, waiter: Waiter) -> None:
        """Wait until the server takes workflows."""
        frontend = "temporal.api.workflowservice.v1.WorkflowService"
        if not health.await_serving(self.address, process, service=frontend, within=60, waiter=waiter):
            raise Problem(f"Temporal's server was not ready after a minute; its log is {self.log}")
