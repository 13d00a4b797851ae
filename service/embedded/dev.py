"""`heddle dev`: Heddle on this machine, with a private PostgreSQL and a private Temporal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Literal

from service.embedded import health, heddle, ports, postgres, temporal, temporal_program
from service.embedded.home import Home
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program
from service.embedded.supervising import Supervisor
from service.embedded.waiting import Interrupted, Waiter
from service.settings import DevSettings

_EXAMPLE = "examples.incorporation"


def dev(settings: DevSettings, *, example: bool, oneshot: bool) -> int:
    """Start everything and keep it running until told to stop; the answer is the exit code."""
    waiter = Waiter()
    _stop_on_signals(waiter)
    home = Home(settings.home)
    try:
        with home.locked(settings.listen):
            return _Dev(settings, home, waiter).run(example=example, oneshot=oneshot)
    except Interrupted:
        # Ctrl-C is the ordinary end, unless there was something to finish.
        return 130 if oneshot else 0
    except Problem as problem:
        print(f"heddle: {problem}", file=sys.stderr)
        return 1


class _Dev:
    """One run: what was asked for, and what it has started so far."""

    def __init__(self, settings: DevSettings, home: Home, waiter: Waiter) -> None:
        self._settings = settings
        self._home = home
        self._waiter = waiter
        self._supervisor = Supervisor()

    def run(self, *, example: bool, oneshot: bool) -> int:
        began = time.monotonic()
        target = heddle.target(self._settings.listen)
        _say(f"Heddle keeps its data in {self._home.path} and its logs in {self._home.path / 'logs'}")
        self._repair()
        self._require_listen_port()
        try:
            environment = self._start_ground()
            self._migrate(environment)
            self._start_heddle(environment, target)
            _say(f"Serving gRPC on {self._settings.listen}, ready after {time.monotonic() - began:.1f} s")
            succeeded = self._run_example(environment, target) if example else True
            if not oneshot:
                _say("Running until Ctrl-C; the data stays")
                self._keep_running()
            return 0 if succeeded else 1
        finally:
            _say("Stopping")
            self._supervisor.end()

    def _repair(self) -> None:
        orphans = self._home.end_orphans()
        if orphans:
            _say(f"An earlier run was cut short; ended what it left behind: {', '.join(orphans)}")

    def _require_listen_port(self) -> None:
        host, _, port = self._settings.listen.rpartition(":")
        example = f"{host}:{int(port) + 1}"
        ports.require_free(host.strip("[]"), int(port), setting="HEDDLE_LISTEN", example=example)

    def _start_ground(self) -> dict[str, str]:
        """Start what Heddle stands on; the answer is what its processes have to know of it."""
        cluster = None if self._settings.database_url else self._postgres()
        server = None if self._settings.temporal_address else self._temporal()
        own = [part for part in (cluster, server) if part]
        # Side by side: neither needs the other.
        processes = self._supervisor.keep(*(partial(self._noted, part.start, part.port) for part in own))
        for part, process in zip(own, processes, strict=True):
            part.await_ready(process, self._waiter)
        environment = dict(os.environ)
        if cluster:
            elsewhere = "" if cluster.folder.is_relative_to(self._home.path) else f", its data in {cluster.folder}"
            _say(f"  PostgreSQL {cluster.programs.version} on 127.0.0.1:{cluster.port}{elsewhere}")
            environment["HEDDLE_DATABASE_URL"] = postgres.create_database(cluster.url("postgres"), "heddle")
        if server:
            _say(f"  Temporal on {server.address}, namespace {server.namespace} (its web pages are not started)")
            environment["HEDDLE_TEMPORAL_ADDRESS"] = server.address
        return environment

    def _postgres(self) -> postgres.Cluster:
        port = self._port("PostgreSQL", self._settings.postgres_port, "HEDDLE_POSTGRES_PORT")
        log = self._home.log("postgres")
        return postgres.prepare(self._home.path, port=port, log=log, durable=True, waiter=self._waiter)

    def _temporal(self) -> temporal.DevServer:
        log = self._home.log("temporal")
        return temporal.DevServer(
            program=temporal_program.find(log=log, waiter=self._waiter),
            port=self._port("Temporal", self._settings.temporal_port, "HEDDLE_TEMPORAL_PORT"),
            namespace=self._settings.temporal_namespace,
            database=self._home.path / "temporal.db",
            log=log,
        )

    def _port(self, name: str, wanted: int | None, setting: str) -> int:
        if wanted is None:
            # The same from run to run where possible: people's own workers connect to Temporal.
            return ports.free(self._home.last_port(name))
        ports.require_free("127.0.0.1", wanted, setting=setting, example=str(wanted + 1))
        return wanted

    def _migrate(self, environment: Mapping[str, str]) -> None:
        migration = heddle.start("migrate", environment=environment, log=self._home.log("migrate"))
        try:
            self._waiter.until(lambda: not migration.alive(), within=600)
        finally:
            migration.kill9()
        if migration.exit_code != 0:
            raise Problem(migration.account_of_death())

    def _start_heddle(self, environment: Mapping[str, str], target: str) -> None:
        def begin(command: Literal["serve", "work"], log: str) -> Process:
            return heddle.start(command, environment=environment, log=self._home.log(log))

        server, worker = self._supervisor.keep(
            partial(self._noted, partial(begin, "serve", "server")),
            partial(self._noted, partial(begin, "work", "worker")),
        )
        if not health.await_serving(target, server, within=60, waiter=self._waiter):
            raise Problem(f"the server did not say that it serves within a minute; its log is {server.program.log}")
        worker.require_alive()

    def _run_example(self, environment: Mapping[str, str], target: str) -> bool:
        _say(f"Running the example, {_EXAMPLE}\n")
        command = (sys.executable, "-m", _EXAMPLE)
        example = Process(Program("example", command, log=None, environment={**environment, "HEDDLE_TARGET": target}))
        try:
            while example.alive():
                self._supervisor.tend()
                self._waiter.pause(0.05)
        finally:
            example.end()
        if example.exit_code == 0:
            return True
        _say(f"\nThe example failed (exit code {example.exit_code}); see {self._home.path / 'logs'}")
        return False

    def _keep_running(self) -> None:
        while True:
            self._supervisor.tend()
            self._waiter.pause(0.2)

    def _noted(self, start: Callable[[], Process], port: int | None = None) -> Process:
        """Start a process and leave a note of it, by which the next run finds it if this one is cut short."""
        process = start()
        self._home.note(process.program.name, process, port)
        return process


def _stop_on_signals(waiter: Waiter) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        waiter.interrupt()
        # Whoever asks twice does not want to wait: the second time ends this process at once, and the tethered ones
        # with it.
        for each in signals:
            signal.signal(each, signal.SIG_DFL)

    for each in signals:
        signal.signal(each, stop)


def _say(line: str) -> None:
    print(line, flush=True)
