"""Two servers and two workers as processes of their own, which may be killed and are started again."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.embedded import health, ports
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program, end_all, log_end
from service.embedded.waiting import Waiter
from soak.planning import Kill

SERVERS = ("server-1", "server-2")
WORKERS = ("worker-1", "worker-2")
PLANTED = "HEDDLE_SOAK_PLANTED"
"""The variable that names a planted bug; `soak.launch` alone reads it."""


class Herd:
    """The processes of one Heddle, by name."""

    def __init__(self, home: Path, database: str, temporal: str, *, queue: str, planted: str = "") -> None:
        self._home = home
        self._planted = planted
        self._environment = {
            **os.environ,
            "HEDDLE_HOME": str(home),
            "HEDDLE_DATABASE_URL": database,
            "HEDDLE_TEMPORAL_ADDRESS": temporal,
            "HEDDLE_TASK_QUEUE": queue,
        }
        self._listens = {name: f"127.0.0.1:{ports.free()}" for name in SERVERS}
        self._processes: dict[str, Process] = {}
        self._starts: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()

    @property
    def targets(self) -> list[str]:
        """Where the servers answer."""
        return list(self._listens.values())

    def start(self) -> None:
        """Start all of them, and wait until the servers serve."""
        for name in (*SERVERS, *WORKERS):
            self._start(name)
        for name in SERVERS:
            if not health.await_serving(self._listens[name], self._processes[name], within=60, waiter=Waiter()):
                raise Problem(f"the {name} did not serve within 60 seconds.{log_end(self._log(name))}")

    def kill(self, name: str) -> None:
        """End one as a power cut would, and start it again."""
        self._processes[name].kill9()
        self.killed[name] += 1
        self._start(name)

    def tend(self) -> None:
        """Start again what has died by itself, such as a server whose port was not free yet."""
        for name, process in list(self._processes.items()):
            if not process.alive():
                self._starts[name] -= 1
                self._start(name)

    def end(self) -> None:
        """End all of them."""
        end_all(self._processes.values())

    @contextmanager
    def troubled(self, kills: Sequence[Kill]) -> Iterator[None]:
        """Kill as planned while the block runs."""
        over = threading.Event()

        def trouble() -> None:
            for kill in kills:
                if over.wait(kill.pause):
                    return
                self.tend()
                # One that was killed while it starts would do nothing in its whole life.
                while not self._is_up(kill.victim):
                    if over.wait(0.1):
                        return
                self.kill(kill.victim)

        thread = threading.Thread(target=trouble, name="kills")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.tend()
            time.sleep(0.1)

    def _is_up(self, name: str) -> bool:
        """Tell whether a process has come so far as to do its work."""
        told = "listening on" if name in SERVERS else "working on task queue"
        return self._log(name).read_text(errors="replace").count(told) >= self._starts[name]

    def _start(self, name: str) -> None:
        self._starts[name] += 1
        command = "serve" if name in SERVERS else "work"
        module = "soak.launch" if self._planted else "service"
        environment = self._environment | {PLANTED: self._planted} if self._planted else dict(self._environment)
        if name in SERVERS:
            environment["HEDDLE_LISTEN"] = self._listens[name]
        program = Program(name, (sys.executable, "-m", module, command), self._log(name), environment, grace=30)
        self._processes[name] = Process(program)

    def _log(self, name: str) -> Path:
        return self._home / f"{name}{'-' + self._planted if self._planted else ''}.log"
