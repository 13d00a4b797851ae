"""What the tests run on: one private PostgreSQL, one real Temporal, one server and one worker for the whole session.

Each is started when the first test asks for it, so a run of pure tests starts nothing.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grpc
import pytest

from service.embedded import health, ports, postgres, temporal, temporal_program
from service.embedded import heddle as heddle_processes
from service.embedded.processes import Process, log_end
from service.embedded.supervising import Supervisor
from service.embedded.waiting import Waiter
from service.settings import Settings
from storage.migrating import migrate

WAITER = Waiter()
TEMPLATE = "heddle_template"


@dataclass(frozen=True)
class Started:
    """One server or worker that runs as a process of its own."""

    process: Process
    target: str  # where a server answers; a worker answers nowhere

    def kill9(self) -> None:
        """End it as a power cut would."""
        self.process.kill9()

    def end(self) -> None:
        """Let it finish what it does."""
        self.process.end()


@dataclass(frozen=True)
class Heddle:
    """A server and a worker that work together, and a channel to the server."""

    settings: Settings
    server: Started
    worker: Started
    channel: grpc.Channel

    @property
    def target(self) -> str:
        return self.server.target


StartProcess = Callable[..., Started]


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """The folder of the session's servers and their logs."""
    # Not one of pytest's, which are closed to the user that PostgreSQL runs as when root runs the tests.
    with tempfile.TemporaryDirectory(prefix="heddle-tests-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        yield home


@pytest.fixture(scope="session")
def ground() -> Iterator[Supervisor]:
    """What ends the session's servers with the session."""
    supervisor = Supervisor()
    yield supervisor
    supervisor.end()


@pytest.fixture(scope="session")
def database_server(session_home: Path, ground: Supervisor) -> str:
    """The session's PostgreSQL: the url of a database that stays empty, with a migrated one to copy beside it."""
    log = session_home / "postgres.log"
    cluster = postgres.prepare(session_home, port=ports.free(), log=log, durable=False, waiter=WAITER)
    (process,) = ground.keep(cluster.start)
    cluster.await_ready(process, WAITER)
    server = cluster.url("postgres")
    migrate(postgres.create_database(server, TEMPLATE))
    return server


@pytest.fixture(scope="session")
def database_url(database_server: str) -> str:
    """A migrated database that the whole session shares; no server or worker process works on it."""
    return postgres.create_database(database_server, "heddle_tests", template=TEMPLATE)


@pytest.fixture
def fresh_database(database_server: str) -> Iterator[Callable[[], str]]:
    """Make migrated, empty databases: each call answers with the url of another one."""
    made: list[str] = []

    def make() -> str:
        made.append(f"fresh_{secrets.token_hex(6)}")
        return postgres.create_database(database_server, made[-1], template=TEMPLATE)

    yield make
    for name in made:
        postgres.drop_database(database_server, name)


@pytest.fixture(scope="session")
def temporal_server(session_home: Path, ground: Supervisor) -> tuple[temporal.DevServer, Process]:
    """The session's Temporal, which keeps everything in memory and may still be starting."""
    log = session_home / "temporal.log"
    program = temporal_program.find(log=log, waiter=WAITER)
    server = temporal.DevServer(program, port=ports.free(), namespace="default", database=None, log=log)
    (process,) = ground.keep(server.start)
    return server, process


@pytest.fixture(scope="session")
def temporal_address(temporal_server: tuple[temporal.DevServer, Process]) -> str:
    """Where the session's Temporal answers."""
    server, process = temporal_server
    server.await_ready(process, WAITER)
    return server.address


@pytest.fixture(scope="session")
def settings(session_home: Path, database_url: str, temporal_address: str) -> Settings:
    """Settings for what a test runs in its own process; the queue is not the one of the `heddle` processes."""
    return _settings(_environment(session_home, database_url, temporal_address, queue="in-process"))


@pytest.fixture(scope="session")
def heddle(
    session_home: Path,
    # Before PostgreSQL, so that it starts while PostgreSQL writes its first files.
    temporal_server: tuple[temporal.DevServer, Process],
    database_server: str,
    temporal_address: str,
) -> Iterator[Heddle]:
    """The session's server and worker. Tests keep out of each other's way by the `workspace` they work in."""
    database = postgres.create_database(database_server, "heddle", template=TEMPLATE)
    environment = _environment(session_home, database, temporal_address, queue="heddle")
    with ExitStack() as stack:
        yield _start_heddle(environment, stack)


@pytest.fixture
def own_heddle(
    session_home: Path, fresh_database: Callable[[], str], temporal_address: str
) -> Iterator[Callable[..., Heddle]]:
    """Start a server and a worker for one test alone, on a database and a queue of their own: for breaking them."""
    with ExitStack() as stack:

        def start(**variables: str) -> Heddle:
            queue = f"own-{secrets.token_hex(4)}"
            environment = _environment(session_home, fresh_database(), temporal_address, queue=queue)
            return _start_heddle(environment | variables, stack)

        yield start


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """Start one more server or worker beside a Heddle: `start_process("work", own, HEDDLE_HISTORY_LIMIT="50")`.

    It works on the same database and queue, has variables of its own on top, and ends with the test.
    """
    with ExitStack() as stack:

        def start(command: Literal["serve", "work"], beside: Heddle, **variables: str) -> Started:
            return _start(command, _variables(beside.settings) | variables, stack)

        yield start


@pytest.fixture
def workspace() -> str:
    """The key of a workspace that no other test has."""
    return f"test-{secrets.token_hex(8)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show the end of the processes' logs below a test that failed on them."""
    report = yield
    if report.failed:
        started = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Heddle)]
        for part in (part for heddle in started for part in (heddle.server, heddle.worker)):
            report.sections.append((part.process.program.name, log_end(part.process.program.log, lines=40)))
    return report


def _environment(home: Path, database_url: str, temporal_address: str, *, queue: str) -> dict[str, str]:
    return {
        "HEDDLE_HOME": str(home),
        "HEDDLE_DATABASE_URL": database_url,
        "HEDDLE_TEMPORAL_ADDRESS": temporal_address,
        "HEDDLE_TASK_QUEUE": queue,
        "HEDDLE_STATISTICS_SECONDS": "1",
    }


def _settings(variables: dict[str, str]) -> Settings:
    return Settings.from_environment({"HEDDLE_LISTEN": f"127.0.0.1:{ports.free()}"} | variables)


def _variables(settings: Settings) -> dict[str, str]:
    return _environment(settings.home, settings.database_url, settings.temporal_address, queue=settings.task_queue)


def _start_heddle(variables: dict[str, str], stack: ExitStack) -> Heddle:
    settings = _settings(variables)
    worker = _start("work", variables, stack)
    server = _start("serve", variables | {"HEDDLE_LISTEN": settings.listen}, stack)
    channel = stack.enter_context(grpc.insecure_channel(server.target))
    return Heddle(settings, server, worker, channel)


def _start(command: Literal["serve", "work"], variables: dict[str, str], stack: ExitStack) -> Started:
    variables = {"HEDDLE_LISTEN": f"127.0.0.1:{ports.free()}"} | variables
    log = Path(variables["HEDDLE_HOME"]) / f"{command}-{secrets.token_hex(4)}.log"
    process = heddle_processes.start(command, environment={**os.environ, **variables}, log=log)
    stack.callback(process.end)
    target = variables["HEDDLE_LISTEN"]
    if command == "serve" and not health.await_serving(target, process, within=30, waiter=WAITER):
        pytest.fail(f"the server did not serve within 30 seconds.{log_end(log)}")
    return Started(process, target)
