"""The servers and workers under measurement, all of them our own and gone when the measuring ends."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from bench.loads import METADATA
from heddle.v1 import task_definition_service_pb2, template_service_pb2, version_service_pb2
from heddle.v1.task_definition_pb2 import TaskDefinition
from heddle.v1.task_definition_service_pb2_grpc import TaskDefinitionServiceStub
from heddle.v1.template_service_pb2_grpc import TemplateServiceStub
from heddle.v1.version_service_pb2_grpc import VersionServiceStub
from service.embedded import health, heddle, ports, postgres, temporal, temporal_program
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program
from service.embedded.supervising import Supervisor
from service.embedded.waiting import Waiter
from storage.migrating import migrate

HEDDLE_QUEUE = "heddle"
UNATTENDED = "bench-unattended"
"""A queue that no worker looks at."""


class Ground:
    """One PostgreSQL and one Temporal, as `heddle dev` has them, and what was started on them."""

    def __init__(self, home: Path, supervisor: Supervisor) -> None:
        self._home = home
        self._supervisor = supervisor
        self._waiter = Waiter()
        self.processes: dict[str, Process] = {}
        cluster, server = self._cluster(), self._temporal()
        self.processes["postgres"], self.processes["temporal"] = supervisor.keep(cluster.start, server.start)
        cluster.await_ready(self.processes["postgres"], self._waiter)
        server.await_ready(self.processes["temporal"], self._waiter)
        self.database_server = cluster.url("postgres")
        self.postgres_version = cluster.programs.version
        self.temporal = server.address

    def _cluster(self) -> postgres.Cluster:
        log = self._home / "postgres.log"
        return postgres.prepare(self._home, port=ports.free(), log=log, durable=True, waiter=self._waiter)

    def _temporal(self) -> temporal.DevServer:
        log = self._home / "temporal.log"
        program = temporal_program.find(log=log, waiter=self._waiter)
        database = self._home / "temporal.db"
        return temporal.DevServer(program, port=ports.free(), namespace="default", database=database, log=log)

    def database(self, name: str) -> str:
        """Make an empty Heddle database; gives its url."""
        url = postgres.create_database(self.database_server, name)
        migrate(url)
        return url

    def server(self, name: str, database: str, *, queue: str = HEDDLE_QUEUE, temporal: str = "") -> str:
        """Start a Heddle server; gives where it answers."""
        listen = f"127.0.0.1:{ports.free()}"
        environment = self._environment(database, queue, temporal) | {"HEDDLE_LISTEN": listen}
        self._keep(name, lambda: heddle.start("serve", environment=environment, log=self._log(name)))
        self._await_serving(name, listen)
        return listen

    def worker(self, name: str, database: str, *, temporal: str = "") -> None:
        """Start a Heddle worker."""
        environment = self._environment(database, HEDDLE_QUEUE, temporal)
        self._keep(name, lambda: heddle.start("work", environment=environment, log=self._log(name)))

    def bare_workflows(self) -> None:
        """Start the worker of the bare workflows."""
        self._bare("bare worker", "workflows", self.temporal)

    def tasks(self, *, temporal: str = "") -> None:
        """Start a worker for the tasks."""
        self._bare("task worker", "tasks", temporal or self.temporal)

    def echo(self, size: int) -> str:
        """Start the echo server, whose replies have so many characters; gives where it answers."""
        listen = f"127.0.0.1:{ports.free()}"
        self._bare("echo server", "echo", listen, str(size))
        if not self._waiter.until(lambda: not ports.is_free("127.0.0.1", int(listen.rpartition(":")[2])), within=30):
            raise Problem("the echo server did not listen within 30 seconds")
        return listen

    def end(self, *names: str) -> None:
        """End processes before the others."""
        for name in names:
            self.processes.pop(name).end()

    def _bare(self, name: str, *arguments: str) -> None:
        command = (sys.executable, "-m", "bench.bare", *arguments)
        self._keep(name, lambda: Process(Program(name, command, self._log(name))))

    def _keep(self, name: str, start: Callable[[], Process]) -> None:
        (self.processes[name],) = self._supervisor.keep(start)

    def _await_serving(self, name: str, listen: str) -> None:
        if not health.await_serving(listen, self.processes[name], within=30, waiter=self._waiter):
            raise Problem(f"the {name} did not serve within 30 seconds; its log is {self._log(name)}")

    def _environment(self, database: str, queue: str, temporal: str) -> dict[str, str]:
        return {
            **os.environ,
            "HEDDLE_HOME": str(self._home),
            "HEDDLE_DATABASE_URL": database,
            "HEDDLE_TEMPORAL_ADDRESS": temporal or self.temporal,
            "HEDDLE_TASK_QUEUE": queue,
        }

    def _log(self, name: str) -> Path:
        return self._home / f"{name}.log"


@contextmanager
def ground() -> Iterator[Ground]:
    """Start PostgreSQL and Temporal; in the end stop them and all that was started on them."""
    with tempfile.TemporaryDirectory(prefix="heddle-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # PostgreSQL's user has to pass through
        supervisor = Supervisor()
        try:
            yield Ground(home, supervisor)
        finally:
            supervisor.end()


def define_task(target: str, key: str, queue: str) -> None:
    """Let steps that name a task of this key run the activity of that name on a queue."""
    with grpc.insecure_channel(target) as channel:
        request = task_definition_service_pb2.CreateTaskDefinitionRequest(
            request_id=secrets.token_hex(8),
            key=key,
            type=TaskDefinition.TYPE_AUTOMATED,
            implementation_json=json.dumps({"type": "task", "task": key, "taskQueue": queue}),
        )
        TaskDefinitionServiceStub(channel).CreateTaskDefinition(request, metadata=METADATA)


def publish(target: str, definition: dict[str, Any], dialect: str = "graph") -> str:
    """Publish a definition as the first version of a new template; gives the version's id."""
    with grpc.insecure_channel(target) as channel:
        templates, versions = TemplateServiceStub(channel), VersionServiceStub(channel)
        request = template_service_pb2.CreateTemplateRequest(
            request_id=secrets.token_hex(8), key=f"bench-{secrets.token_hex(4)}", name=definition["name"]
        )
        template = templates.CreateTemplate(request, metadata=METADATA).template
        create = version_service_pb2.CreateVersionRequest(
            request_id=secrets.token_hex(8),
            template_id=template.id,
            label="1.0.0",
            dialect=dialect,
            definition_json=json.dumps(definition),
        )
        version = versions.CreateVersion(create, metadata=METADATA).version
        publishing = version_service_pb2.PublishVersionRequest(request_id=secrets.token_hex(8), version_id=version.id)
        return str(versions.PublishVersion(publishing, metadata=METADATA).version.id)
